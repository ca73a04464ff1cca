import type { Random } from "../../std/random.ts";

export interface BackoffLimits {
  /** The wait before the first try again, ms. */
  firstMs: number;
  /** No wait is longer, ms. */
  maxMs: number;
  /** A process that was ready for so long starts from `firstMs` again, ms. */
  healthyMs: number;
}

export const RESTART_BACKOFF: BackoffLimits = { firstMs: 100, maxMs: 15_000, healthyMs: 30_000 };

/** How long to wait before a dead process is started again: doubling, with jitter, capped. */
export class Backoff {
  private failures = 0;

  constructor(
    private readonly random: Random,
    private readonly limits: BackoffLimits = RESTART_BACKOFF,
  ) {}

  /** The wait in ms, given that the process had been ready for `readyForMs` when it died. */
  next(readyForMs: number): number {
    if (readyForMs >= this.limits.healthyMs) this.failures = 0;
    const ceiling = Math.min(this.limits.maxMs, this.limits.firstMs * 2 ** this.failures);
    if (ceiling < this.limits.maxMs) this.failures++;
    // Half of it is random, so that processes that died together do not come back together.
    return ceiling * (0.5 + this.random.float() / 2);
  }
}
