import type { Clock } from "../clock.ts";

/** Resolves after `ms`, or as soon as `signal` is aborted. */
export function pause(clock: Clock, ms: number, signal: AbortSignal): Promise<void> {
  return new Wake().wait(clock, 0, ms, signal);
}

/** Wakes those who wait for something to look at. A wake between looking and waiting is not missed: the count tells. */
export class Wake {
  count = 0;
  private readonly waiting = new Set<() => void>();

  wake(): void {
    this.count++;
    for (const proceed of this.waiting) proceed();
  }

  /** Resolves at the first wake after `count` was read, after `ms`, or when `signal` is aborted. */
  wait(clock: Clock, count: number, ms: number, signal: AbortSignal): Promise<void> {
    if (count !== this.count || signal.aborted) return Promise.resolve();
    return new Promise((resolve) => {
      const proceed = (): void => {
        timer.cancel();
        this.waiting.delete(proceed);
        signal.removeEventListener("abort", proceed);
        resolve();
      };
      const timer = clock.after(ms, proceed);
      this.waiting.add(proceed);
      signal.addEventListener("abort", proceed);
    });
  }
}
