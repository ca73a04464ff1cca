import type { Clock, Timer } from "../../std/clock.ts";

/** Work up to this much ahead of the rate is let through at once, ms of it. */
const BURST_MS = 250;

/** Lets background work through at a bounded rate, in the order of asking. */
export class Pace {
  /** Monotonic ms: everything let through so far is worked off by then. */
  private paidUntil = Number.NEGATIVE_INFINITY;
  private readonly waiting = new Set<() => void>();
  private closed = false;

  /** `bytesPerSecond` 0: no limit. */
  constructor(
    private readonly clock: Clock,
    private readonly bytesPerSecond: number,
  ) {}

  /** Resolves when `bytes` more may be read or sent; at once after {@link close}. */
  async take(bytes: number): Promise<void> {
    if (this.bytesPerSecond === 0 || this.closed) return;
    const now = this.clock.monotonic();
    const from = Math.max(this.paidUntil, now - BURST_MS);
    this.paidUntil = from + (bytes / this.bytesPerSecond) * 1_000;
    if (from > now) await this.rest(from - now);
  }

  /** Lets go of all who wait. */
  wake(): void {
    for (const wake of [...this.waiting]) wake();
  }

  /** Lets go of all who wait, and limits nothing any more. */
  close(): void {
    this.closed = true;
    this.wake();
  }

  /** Resolves after `ms`, or when woken. */
  rest(ms: number): Promise<void> {
    return new Promise((resolve) => {
      let timer: Timer | undefined;
      const wake = (): void => {
        timer?.cancel();
        this.waiting.delete(wake);
        resolve();
      };
      this.waiting.add(wake);
      timer = this.clock.after(ms, wake);
    });
  }
}
