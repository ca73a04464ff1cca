// How long ago something was that was stamped with the master's wall clock, which may be set. What is stamped in the
// future was stamped before the clock was set back: garbage must not wait for the time to come again.
import type { Clock } from "../../std/clock.ts";

/** The wall clock may go slower than the monotonic one by so much between two looks, ms: that is no step. */
const SLACK_MS = 1_000;

export class Ages {
  /** Monotonic ms: behind this the wall clock was not set back. A start may have followed a step. */
  private steadySinceMs: number;
  /** Of the wall clock behind the monotonic one, ms. */
  private offset: number;

  constructor(private readonly clock: Clock) {
    this.steadySinceMs = clock.monotonic();
    this.offset = clock.now() - clock.monotonic();
  }

  /** Notices steps: to be called every now and then. */
  look(): void {
    const now = this.clock.monotonic();
    const offset = this.clock.now() - now;
    if (offset < this.offset - SLACK_MS) this.steadySinceMs = now;
    this.offset = offset;
  }

  /** Whether what was stamped `at` is at least `ms` old. */
  isOlder(at: number, ms: number): boolean {
    return at <= this.before(ms) || at > this.futureFrom(ms);
  }

  /** What was stamped at or before this is at least `ms` old. */
  before(ms: number): number {
    return this.clock.now() - ms;
  }

  /** And so is what was stamped later than this; Infinity where it may be younger. */
  futureFrom(ms: number): number {
    this.look();
    return this.clock.monotonic() - this.steadySinceMs >= ms ? this.clock.now() : Number.POSITIVE_INFINITY;
  }
}
