import type { DiskFile } from "../../std/disk.ts";

/** Called before `bytes` are read; resolves when they may be. */
export type Pacer = (bytes: number) => Promise<void>;

/** A moving view of a file, for reading it from front to back in few reads. */
export class FileWindow {
  private readonly buffer: Buffer;
  private start = 0;
  private filled = 0;

  /** Holds `size` bytes; `end`: file offset to stop at. */
  constructor(
    private readonly file: DiskFile,
    readonly end: number,
    size: number,
    private readonly pacer?: Pacer,
  ) {
    this.buffer = Buffer.allocUnsafe(Math.min(size, Math.max(0, end)));
  }

  /** Up to `size` bytes at `position`, at most the window's size: fewer only at the end. Valid until the next call. */
  async at(position: number, size: number): Promise<Buffer> {
    const held = this.peek(position, size);
    if (held) return held;
    await this.move(position);
    return this.buffer.subarray(0, Math.min(size, this.filled));
  }

  /** As {@link at}, without a turn of the event loop; undefined when that takes a read. */
  peek(position: number, size: number): Buffer | undefined {
    const wanted = Math.max(0, Math.min(size, this.end - position));
    const from = position - this.start;
    if (from < 0 || from + wanted > this.filled) return undefined;
    return this.buffer.subarray(from, from + wanted);
  }

  /** The window from `position` on, keeping what it has of that. */
  private async move(position: number): Promise<void> {
    const kept = this.start + this.filled - position;
    const overlap = position >= this.start && kept > 0 ? kept : 0;
    if (overlap > 0) this.buffer.copyWithin(0, this.filled - overlap, this.filled);
    this.start = position;
    this.filled = overlap;
    const into = this.buffer.subarray(overlap, Math.min(this.buffer.length, this.end - position));
    await this.pacer?.(into.length);
    this.filled += await this.file.read(into, position + overlap);
  }
}
