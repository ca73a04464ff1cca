// Small objects that were read lately, from memory. An extent never changes, and its checksum pins its bytes, so nothing
// here can be out of date: which extents an object has now is asked of the master for every request.
import type { Extent } from "../../chunkd/protocol/record.ts";
import type { Locations } from "../../masterd/protocol/messages.ts";
import type { DataReader } from "./objects.ts";

/** Larger ones cost more to copy than to fetch. */
const EXTENT_SIZE_MAX = 64 << 10;
const BYTES_MAX = 32 << 20;
/** What an entry takes besides its bytes: key, map, buffer. */
const ENTRY_BYTES = 256;

/** `reader`, with what it gave of small objects remembered; the least recently read leaves first. */
export class RecentReader implements DataReader {
  /** Reads that were answered from here, for metrics. */
  hits = 0;
  private readonly entries = new Map<string, Uint8Array>();
  private bytes = 0;

  constructor(
    private readonly reader: DataReader,
    private readonly bytesMax = BYTES_MAX,
  ) {}

  /** Bytes in memory, for metrics. */
  get heldBytes(): number {
    return this.bytes;
  }

  read(extents: Extent[], locations: Locations, start: number, end: number): AsyncIterable<Uint8Array> {
    const held = this.held(extents, start, end);
    if (held) return once(held);
    const source = this.reader.read(extents, locations, start, end);
    const extent = smallExtent(extents);
    const isWhole = start === 0 && end === extent?.length;
    return isWhole ? this.remembering(nameOf(extent), extent.length, source) : source;
  }

  held(extents: Extent[], start: number, end: number): Uint8Array | undefined {
    const extent = smallExtent(extents);
    if (extent === undefined) return undefined;
    const name = nameOf(extent);
    const bytes = this.entries.get(name);
    if (bytes === undefined) return undefined;
    this.hits++;
    this.entries.delete(name);
    this.entries.set(name, bytes);
    return bytes.subarray(start, end);
  }

  /** `source` as it is; what came is kept only once all of it has come. */
  private remembering(
    name: string,
    length: number,
    source: AsyncIterable<Uint8Array>,
  ): AsyncIterable<Uint8Array> {
    return {
      [Symbol.asyncIterator]: () => {
        const iterator = source[Symbol.asyncIterator]();
        // A copy: what the reader gives is a view of a socket's buffer, which is far larger.
        const copy = new Uint8Array(length);
        let at = 0;
        return {
          next: async () => {
            const result = await iterator.next();
            if (!result.done) {
              copy.set(result.value, at);
              at += result.value.length;
            } else if (at === length) this.keep(name, copy);
            return result;
          },
          return: async () => (await iterator.return?.()) ?? { done: true, value: undefined },
        };
      },
    };
  }

  private keep(name: string, bytes: Uint8Array): void {
    if (this.entries.has(name)) return;
    this.entries.set(name, bytes);
    this.bytes += bytes.length + ENTRY_BYTES;
    for (const [oldest, { length }] of this.entries) {
      if (this.bytes <= this.bytesMax) return;
      this.entries.delete(oldest);
      this.bytes -= length + ENTRY_BYTES;
    }
  }
}

/** What an object that may be remembered is made of. */
function smallExtent(extents: Extent[]): Extent | undefined {
  return extents.length === 1 && extents[0]!.length <= EXTENT_SIZE_MAX ? extents[0] : undefined;
}

function nameOf({ handle, offset, length, checksum }: Extent): string {
  return `${handle}/${offset}/${length}/${checksum}`;
}

function once(bytes: Uint8Array): AsyncIterable<Uint8Array> {
  let given = bytes.length === 0;
  const iterator: AsyncIterableIterator<Uint8Array> = {
    [Symbol.asyncIterator]: () => iterator,
    next() {
      if (given) return Promise.resolve({ done: true, value: undefined });
      given = true;
      return Promise.resolve({ done: false, value: bytes });
    },
    return() {
      given = true;
      return Promise.resolve({ done: true, value: undefined });
    },
  };
  return iterator;
}
