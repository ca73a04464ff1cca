import type { Clock } from "../../std/clock.ts";

/**
 * The master's wall clock, by which leases expire. This machine's own wall clock is never asked: it may be a day off.
 */
export class MasterClock {
  private reading: { masterNow: number; at: number } | undefined;

  constructor(private readonly clock: Clock) {}

  /**
   * Takes the master's answer to a question that left at `askedAt` (monotonic ms). The answer is placed at the
   * question's time, so that this clock runs ahead by the way there and a lease ends early rather than late.
   */
  learn(masterNow: number, askedAt: number): void {
    this.reading = { masterNow, at: askedAt };
  }

  /** ms since the epoch, or undefined before the master was first heard. */
  now(): number | undefined {
    return this.reading && this.reading.masterNow + (this.clock.monotonic() - this.reading.at);
  }
}
