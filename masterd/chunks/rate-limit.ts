import type { Clock } from "../../std/clock.ts";

/** What may be taken at once after a pause, in seconds of the rate. */
const BURST_SECONDS = 2;

/** Bytes per second, as a bucket that fills with time. What is taken at once may exceed it: then it is paid off first. */
export class RateLimit {
  private allowance: number;
  private filledAtMs: number;

  constructor(
    private readonly clock: Clock,
    private readonly bytesPerSecond: number,
  ) {
    this.allowance = bytesPerSecond * BURST_SECONDS;
    this.filledAtMs = clock.monotonic();
  }

  /** Whether anything may be taken now. */
  get open(): boolean {
    this.fill();
    return this.allowance > 0;
  }

  take(bytes: number): void {
    this.fill();
    this.allowance -= bytes;
  }

  private fill(): void {
    const now = this.clock.monotonic();
    const filled = this.allowance + ((now - this.filledAtMs) / 1000) * this.bytesPerSecond;
    this.allowance = Math.min(this.bytesPerSecond * BURST_SECONDS, filled);
    this.filledAtMs = now;
  }
}
