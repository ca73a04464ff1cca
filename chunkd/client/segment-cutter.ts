import { assert } from "../../std/assert.ts";
import type { Clock, Timer } from "../../std/clock.ts";
import { RECORD_PAYLOAD_MAX } from "../protocol/record.ts";
import type { Segment, SegmentBuffers } from "./segments.ts";

/**
 * How long a slow source may keep a segment that it does not fill while other uploads wait for memory, ms. It is then
 * sent short, so that stalled clients cannot hold the budget.
 */
const SEGMENT_LINGER_MS = 250;

/**
 * Cuts a byte stream into segments: all full (1 MiB) but the last, unless memory is so short that others wait for it.
 * Then one is sent as it is when it cannot grow at once, or is not filled within {@link SEGMENT_LINGER_MS}. Pulls the
 * source only when it needs bytes, and holds no budget while it waits for the first byte of a segment.
 */
export class SegmentCutter {
  private readonly source: AsyncIterator<Uint8Array>;
  private pulling: Promise<IteratorResult<Uint8Array>> | undefined;
  private piece: Uint8Array = new Uint8Array(0);
  private sourceEnded = false;
  private stopped = false;
  private filling: Segment | undefined;
  private taken = 0;

  constructor(
    source: AsyncIterable<Uint8Array>,
    private readonly buffers: SegmentBuffers,
    private readonly clock: Clock,
    private readonly sizeHint: number | undefined,
  ) {
    this.source = source[Symbol.asyncIterator]();
  }

  /** No more segments will come. Known as soon as the last one was cut because the source ended. */
  get ended(): boolean {
    return this.sourceEnded && this.piece.length === 0;
  }

  /** Makes the next segment ready for {@link take}; false at the end. Rejects with what the source throws. */
  async next(): Promise<boolean> {
    assert(this.filling === undefined, "a segment is taken before the next one is asked for");
    if (!(await this.fetch())) return false;
    const segment = await this.buffers.take(this.piece.length, this.capacity());
    if (this.stopped) {
      segment.release();
      return false;
    }
    this.filling = segment;
    const lingered = this.linger();
    try {
      this.fill(segment);
      while (!segment.isFull && (await this.fetch(lingered.promise)) && this.add(segment));
    } catch (error) {
      this.dropFilling();
      throw error;
    } finally {
      lingered.cancel();
    }
    return !this.stopped;
  }

  /** The segment that is ready, from now on the caller's to release. Until then {@link stop} releases it. */
  take(): Segment {
    const segment = this.filling;
    assert(segment !== undefined, "next() said that there is a segment");
    this.filling = undefined;
    return segment;
  }

  /** The caller wants no more: frees what is held and lets the source go, without waiting for it. */
  stop(): void {
    if (this.stopped) return;
    this.stopped = true;
    this.dropFilling();
    // A source that is stuck in next() would answer return() only after it.
    if (!this.sourceEnded) void this.source.return?.().catch(() => {});
  }

  /** True when there are bytes to cut; false at the end, when stopped, or when `lingered` resolves first. */
  private async fetch(lingered?: Promise<void>): Promise<boolean> {
    while (this.piece.length === 0 && !this.sourceEnded && !this.stopped) {
      this.pulling ??= this.pull();
      const result = await (lingered ? Promise.race([this.pulling, lingered]) : this.pulling);
      if (result === undefined) return false;
      this.pulling = undefined;
      if (result.done) this.sourceEnded = true;
      else this.piece = result.value;
    }
    return this.piece.length > 0 && !this.stopped;
  }

  private pull(): Promise<IteratorResult<Uint8Array>> {
    const pulling = this.source.next().catch((error) => {
      this.sourceEnded = true;
      throw error;
    });
    pulling.catch(() => {}); // nobody may be waiting any more when it fails
    return pulling;
  }

  /** Puts more bytes into `segment`; false when it has no room for any. */
  private add(segment: Segment): boolean {
    if (segment.isRoomless && !segment.grow(this.piece.length)) return false;
    this.fill(segment);
    return true;
  }

  private fill(segment: Segment): void {
    const count = segment.fill(this.piece);
    this.taken += count;
    this.piece = this.piece.subarray(count);
  }

  /** A known rest smaller than a record gets a buffer of just its size; a source that goes on past its hint, full ones. */
  private capacity(): number {
    const rest = (this.sizeHint ?? 0) - this.taken;
    return rest > 0 ? Math.min(rest, RECORD_PAYLOAD_MAX) : RECORD_PAYLOAD_MAX;
  }

  private linger(): { promise: Promise<void>; cancel(): void } {
    const lingered = Promise.withResolvers<void>();
    let timer: Timer;
    const arm = () => {
      timer = this.clock.after(SEGMENT_LINGER_MS, () =>
        this.buffers.contended ? lingered.resolve() : arm(),
      );
    };
    arm();
    return { promise: lingered.promise, cancel: () => timer.cancel() };
  }

  private dropFilling(): void {
    this.filling?.release();
    this.filling = undefined;
  }
}
