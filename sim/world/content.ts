// The bytes of a file as pages that two versions of it can share until one of them changes.

export const PAGE_SIZE = 16 << 10;

interface Page {
  bytes: Uint8Array;
  /** Another version has it too: to be copied before it is written. */
  shared: boolean;
}

const ZEROS = Buffer.alloc(PAGE_SIZE);

export class Content {
  size = 0;
  /** A page that is not there is all zeros. */
  private pages: (Page | undefined)[] = [];
  /** Pages that differ from those of the version that {@link copyTo} last made. */
  private readonly changed = new Set<number>();

  /** Copies what there is at `position`; returns the count, less than asked only at the end. */
  read(into: Uint8Array, position: number): number {
    const count = Math.max(0, Math.min(into.length, this.size - position));
    for (let done = 0; done < count; ) {
      const at = position + done;
      const inPage = at % PAGE_SIZE;
      const length = Math.min(PAGE_SIZE - inPage, count - done);
      const page = this.pages[Math.floor(at / PAGE_SIZE)];
      if (page) into.set(page.bytes.subarray(inPage, inPage + length), done);
      else into.fill(0, done, done + length);
      done += length;
    }
    return count;
  }

  write(bytes: Uint8Array, position: number): void {
    for (let done = 0; done < bytes.length; ) {
      const at = position + done;
      const inPage = at % PAGE_SIZE;
      const length = Math.min(PAGE_SIZE - inPage, bytes.length - done);
      this.writePage(Math.floor(at / PAGE_SIZE), inPage, bytes.subarray(done, done + length));
      done += length;
    }
    this.size = Math.max(this.size, position + bytes.length);
  }

  private writePage(index: number, inPage: number, bytes: Uint8Array): void {
    this.changed.add(index);
    const page = this.pages[index];
    if (!page && bytes.length === PAGE_SIZE && ZEROS.equals(bytes)) {
      if (this.pages.length <= index) this.pages.length = index + 1;
      return;
    }
    if (page && !page.shared) {
      page.bytes.set(bytes, inPage);
      return;
    }
    const own = new Uint8Array(PAGE_SIZE);
    if (page) own.set(page.bytes);
    own.set(bytes, inPage);
    this.pages[index] = { bytes: own, shared: false };
  }

  /** Cuts the content, or makes it longer by zeros. */
  truncate(size: number): void {
    if (size < this.size) {
      const first = Math.floor(size / PAGE_SIZE);
      const inPage = size % PAGE_SIZE;
      const rest = Math.min(this.size, (first + 1) * PAGE_SIZE) - size;
      if (inPage > 0 && this.pages[first]) this.writePage(first, inPage, ZEROS.subarray(0, rest));
      for (let index = inPage > 0 ? first + 1 : first; index < this.pages.length; index++) {
        this.changed.add(index);
        this.pages[index] = undefined;
      }
    }
    this.size = size;
  }

  /** Makes `other`, which was the same when this was last called, the same again. */
  copyTo(other: Content): void {
    for (const index of this.changed) {
      const page = this.pages[index];
      if (page) page.shared = true;
      other.pages[index] = page;
      other.changed.delete(index);
    }
    this.changed.clear();
    other.size = this.size;
  }

  clone(): Content {
    const clone = new Content();
    clone.size = this.size;
    clone.pages = [...this.pages];
    for (const page of this.pages) if (page) page.shared = true;
    this.changed.clear();
    return clone;
  }
}

/** Zeros that are written in one piece need no copy of their own; programs reserve space that way. */
const ZEROS_MIN = 1 << 20;
let zeros = Buffer.alloc(0);

/** The bytes of all parts, which the caller may then change; what is all zeros may share its memory. */
export function copyOf(parts: readonly Uint8Array[]): Buffer {
  const [first] = parts;
  if (parts.length === 1 && first!.length >= ZEROS_MIN && first![0] === 0) {
    if (zeros.length < first!.length) zeros = Buffer.alloc(first!.length);
    const same = zeros.subarray(0, first!.length);
    if (same.equals(first!)) return same;
  }
  return Buffer.concat(parts);
}
