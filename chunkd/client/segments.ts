// Segments: pieces of an object as they wait for their quorum, each in a buffer of its own that the budget paid for.
// They grow with what arrives: whoever sends a byte a second holds a small buffer, not what a whole segment would take.
import { assert } from "../../std/assert.ts";
import { freeBuffer } from "../../std/free-buffer.ts";
import { RECORD_PAYLOAD_MAX } from "../protocol/record.ts";
import { FairSemaphore } from "./fair-semaphore.ts";

/** What a segment may be while it grows. Few and far apart: each step copies what the one before holds. */
const SIZES = [64 << 10, 256 << 10, RECORD_PAYLOAD_MAX] as const;

/**
 * Buffers kept of each of {@link SIZES} for the next segments: fresh ones cost page faults, and the memory of a process
 * grows by them.
 */
const FREE_BUFFERS_MAX = 16;

/** What a segment is charged at least: bookkeeping is memory too, and this bounds the number of segments. */
const CHARGE_MIN = 4 << 10;

/** A part of an object's bytes. Whoever holds it releases it, once. */
export class Segment {
  private filled = 0;
  private released = false;
  /** False once a socket may still be sending from the buffer: it is then left to the garbage collector. */
  reusable = true;

  constructor(
    private buffer: Buffer,
    private readonly capacity: number,
    private readonly owner: SegmentBuffers,
  ) {}

  get payload(): Buffer {
    return this.buffer.subarray(0, this.filled);
  }

  /** Nothing more fits, however it grows. */
  get isFull(): boolean {
    return this.filled === this.capacity;
  }

  /** Nothing more fits unless it grows. */
  get isRoomless(): boolean {
    return this.filled === this.buffer.length;
  }

  /** Copies from `bytes` what fits now; returns how many bytes that was. */
  fill(bytes: Uint8Array): number {
    const count = Math.min(bytes.length, this.buffer.length - this.filled);
    this.buffer.set(count === bytes.length ? bytes : bytes.subarray(0, count), this.filled);
    this.filled += count;
    return count;
  }

  /** Makes room for up to `more` bytes beyond those it holds; false when the budget has none at once. */
  grow(more: number): boolean {
    assert(!this.released && !this.isFull, "a segment grows up to its capacity");
    const larger = this.owner.exchange(this.buffer, sizeFor(this.filled + more, this.capacity));
    if (larger) this.buffer = larger;
    return larger !== undefined;
  }

  release(): void {
    assert(!this.released, "a segment is released once");
    this.released = true;
    this.owner.takeBack(this.buffer, this.reusable);
  }
}

/** Hands out segments within a budget of `bytesMax`. */
export class SegmentBuffers {
  private readonly budget: FairSemaphore;
  private readonly free = new Map<number, Buffer[]>(SIZES.map((size) => [size, []]));

  constructor(bytesMax: number) {
    this.budget = new FairSemaphore(bytesMax);
  }

  /** Bytes in segments now. */
  get used(): number {
    return this.budget.used;
  }

  /** Whether somebody waits for another's segment to be released. */
  get contended(): boolean {
    return this.budget.waiting > 0;
  }

  /** An empty segment with room for `bytes`, that may grow to `capacity`, when the budget has that room. */
  async take(bytes: number, capacity: number = bytes): Promise<Segment> {
    assert(bytes > 0 && capacity > 0 && capacity <= RECORD_PAYLOAD_MAX, "a segment becomes one record");
    const size = sizeFor(bytes, capacity);
    await this.budget.acquire(chargeOf(size));
    return new Segment(this.buffer(size), capacity, this);
  }

  /** For {@link Segment}: a buffer of `size` with what is in `buffer`, which goes back; undefined without budget. */
  exchange(buffer: Buffer, size: number): Buffer | undefined {
    assert(size > buffer.length, "a segment grows");
    if (!this.budget.tryAcquire(chargeOf(size) - chargeOf(buffer.length))) return undefined;
    const larger = this.buffer(size);
    larger.set(buffer);
    this.keep(buffer);
    return larger;
  }

  /** For {@link Segment}. */
  takeBack(buffer: Buffer, reusable: boolean): void {
    const charge = chargeOf(buffer.length); // which is no more to be told of a buffer that was freed
    if (reusable) this.keep(buffer);
    this.budget.release(charge);
  }

  private buffer(size: number): Buffer {
    const kept = this.free.get(size);
    return kept ? (kept.pop() ?? Buffer.allocUnsafeSlow(size)) : Buffer.allocUnsafe(size);
  }

  private keep(buffer: Buffer): void {
    const kept = this.free.get(buffer.length);
    if (kept && kept.length < FREE_BUFFERS_MAX) kept.push(buffer);
    else freeBuffer(buffer);
  }
}

function sizeFor(bytes: number, capacity: number): number {
  return Math.min(capacity, SIZES.find((size) => size >= bytes) ?? RECORD_PAYLOAD_MAX);
}

function chargeOf(size: number): number {
  return Math.max(size, CHARGE_MIN);
}
