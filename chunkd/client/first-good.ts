import type { Clock, Timer } from "../../std/clock.ts";

export interface Hedging {
  clock: Clock;
  /** A candidate that takes longer gets company, ms. */
  hedgeMs: number;
  /** Asked before each hedge: false keeps it from being made. */
  mayHedge(): boolean;
  /** Once aborted, no more attempts are made and the outcome is `undefined`. */
  signal: AbortSignal;
}

export interface Failure<C> {
  candidate: C;
  error: unknown;
}

/**
 * Tries the candidates in order: the next one when one fails, or also when one is slow. Resolves with the first value,
 * or with every failure when there is none. The answers of those that were outrun are ignored.
 */
export function firstGood<C, T>(
  candidates: readonly C[],
  attempt: (candidate: C) => Promise<T>,
  hedging: Hedging,
): Promise<{ value: T } | { failures: Failure<C>[] } | undefined> {
  const { clock, hedgeMs, mayHedge, signal } = hedging;
  return new Promise((resolve) => {
    const failures: Failure<C>[] = [];
    let launched = 0;
    let timer: Timer | undefined;
    let isSettled = false;
    const settle = (outcome: { value: T } | { failures: Failure<C>[] } | undefined) => {
      isSettled = true;
      timer?.cancel();
      signal.removeEventListener("abort", onAbort);
      resolve(outcome);
    };
    const onAbort = () => settle(undefined);
    const onFailure = (candidate: C, error: unknown) => {
      failures.push({ candidate, error });
      if (isSettled) return;
      if (launched < candidates.length) launch();
      else if (failures.length === candidates.length) settle({ failures });
    };
    const launch = () => {
      const candidate = candidates[launched++]!;
      timer?.cancel();
      if (launched < candidates.length) timer = clock.after(hedgeMs, () => mayHedge() && launch());
      attempt(candidate).then(
        (value) => !isSettled && settle({ value }),
        (error) => onFailure(candidate, error),
      );
    };
    if (signal.aborted) return resolve(undefined);
    if (candidates.length === 0) return resolve({ failures });
    signal.addEventListener("abort", onAbort);
    launch();
  });
}

const HEDGES_PER_READ = 0.1;
const HEDGES_SAVED_MAX = 20;

/**
 * Keeps hedges to a fraction of the reads. When everything is slow, asking twice would make it slower; a single slow
 * chunkserver is what hedging is for.
 */
export class HedgeAllowance {
  private saved = HEDGES_SAVED_MAX;

  earn(): void {
    this.saved = Math.min(HEDGES_SAVED_MAX, this.saved + HEDGES_PER_READ);
  }

  spend(): boolean {
    if (this.saved < 1) return false;
    this.saved--;
    return true;
  }
}
