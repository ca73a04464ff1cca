import { BLOCK_SIZE, type Extent, extendChecksum } from "../protocol/record.ts";
import { StorageError } from "./errors.ts";
import type { FairSemaphore } from "./fair-semaphore.ts";
import type { FetchedRecord } from "./record-fetcher.ts";
import { type RecordRange, splitRange } from "./record-range.ts";

/** Records of one stream that are asked for at once. */
const READ_AHEAD = 4;
/** Bytes of them from which on no more are asked for: what is under way should stay in the processor's cache. */
const READ_AHEAD_BYTES = 2 << 20;
/** What a stream reads at a time when the memory for reading ahead is all in use: slow takers hold no more each. */
const LEAN_BLOCKS = 1;

export type Fetch = (range: RecordRange, signal: AbortSignal) => Promise<FetchedRecord | undefined>;

/**
 * The bytes of `ranges`, in order, in Buffers of at most 1 MiB; in smaller ones while `memory` (bytes, shared by all
 * streams) is used up. Its `return()` takes effect at once, also while a `next()` is pending: the client of a download
 * goes away in the middle of a wait.
 */
export function streamRecords(
  ranges: Iterator<RecordRange>,
  fetch: Fetch,
  memory: FairSemaphore,
): AsyncIterableIterator<Buffer> {
  const abort = new AbortController();
  const ahead = new ReadAhead(ranges, (range) => fetch(range, abort.signal), memory);
  const delivery = deliver(ahead);
  const stop = () => {
    abort.abort();
    ahead.drop();
  };
  return {
    next: () => delivery.next(),
    return: () => {
      stop();
      void delivery.return(undefined);
      return Promise.resolve({ done: true, value: undefined });
    },
    [Symbol.asyncIterator]() {
      return this;
    },
  };

  async function* deliver(from: ReadAhead): AsyncGenerator<Buffer, undefined, undefined> {
    const check = new ExtentCheck();
    try {
      for (;;) {
        const next = from.shift();
        const record = await next?.fetched;
        if (!next || !record) return;
        check.add(next.range, record.recordCrc);
        for (const piece of record.pieces) yield piece;
      }
    } finally {
      stop();
    }
  }
}

function sizeOf({ blockCount }: RecordRange): number {
  return blockCount * BLOCK_SIZE;
}

interface Fetching {
  range: RecordRange;
  fetched: Promise<FetchedRecord | undefined>;
  /** Bytes taken of the memory. */
  charge: number;
}

/** The reads of one stream that are under way, and what they hold of the memory. */
class ReadAhead {
  private readonly underWay: Fetching[] = [];
  /** What comes next, when it was looked at already. */
  private rest: RecordRange | undefined;
  /** What the taker has in hand. */
  private given: Fetching | undefined;
  private isDropped = false;
  private underWayBytes = 0;

  constructor(
    private readonly ranges: Iterator<RecordRange>,
    private readonly fetch: (range: RecordRange) => Promise<FetchedRecord | undefined>,
    private readonly memory: FairSemaphore,
  ) {}

  /** The read that is next in order, undefined at the end. What was given before is no longer held. */
  shift(): Fetching | undefined {
    this.release(this.given);
    this.given = undefined;
    if (this.isDropped) return undefined;
    this.topUp();
    this.given = this.underWay.shift();
    if (this.given) this.underWayBytes -= sizeOf(this.given.range);
    return this.given;
  }

  /** Starts no more reads and gives the memory back, of reads under way when they end. */
  drop(): void {
    if (this.isDropped) return;
    this.isDropped = true;
    for (const fetching of this.underWay.splice(0)) {
      void fetching.fetched.catch(() => {}).then(() => this.release(fetching));
    }
    this.release(this.given);
    this.given = undefined;
  }

  private topUp(): void {
    while (this.underWay.length < READ_AHEAD && this.underWayBytes < READ_AHEAD_BYTES) {
      const range = this.rest ?? this.ranges.next().value;
      this.rest = undefined;
      if (!range) return;
      const charge = sizeOf(range);
      if (this.memory.tryAcquire(charge)) this.start(range, charge);
      else if (this.underWay.length > 0) {
        this.rest = range;
        return;
      } else {
        const [piece, rest] = splitRange(range, LEAN_BLOCKS);
        this.rest = rest;
        this.start(piece, 0);
        return;
      }
    }
  }

  private start(range: RecordRange, charge: number): void {
    const fetched = this.fetch(range);
    fetched.catch(() => {}); // heard of when its turn comes, if it does
    this.underWay.push({ range, fetched, charge });
    this.underWayBytes += sizeOf(range);
  }

  private release(fetching: Fetching | undefined): void {
    if (fetching && fetching.charge > 0) this.memory.release(fetching.charge);
  }
}

/** Compares an extent that is read as a whole with its checksum, before its last bytes are given out. */
class ExtentCheck {
  private checksum = 0;

  add({ extent, place }: RecordRange, recordCrc: number): void {
    if (!place) return;
    this.checksum = extendChecksum(place.isFirst ? 0 : this.checksum, recordCrc);
    if (place.isLast && this.checksum !== extent.checksum) throw mismatch(extent);
  }
}

function mismatch({ handle, offset, length }: Extent): StorageError {
  const where = `${length} bytes at ${offset} of chunk ${handle}`;
  return new StorageError("CORRUPT", `${where} are sound records, but not the ones that were committed`);
}
