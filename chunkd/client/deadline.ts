import type { Clock } from "../../std/clock.ts";
import type { Random } from "../../std/random.ts";

/** Settles as `promise` does, or rejects with `late()` after `ms`. What `promise` does later is then ignored. */
export function within<T>(clock: Clock, ms: number, promise: Promise<T>, late: () => Error): Promise<T> {
  return new Promise((resolve, reject) => {
    const timer = clock.after(ms, () => reject(late()));
    promise.then(
      (value) => {
        timer.cancel();
        resolve(value);
      },
      (error) => {
        timer.cancel();
        reject(error);
      },
    );
  });
}

const BACKOFF_MS = 50;
const BACKOFF_MS_MAX = 2_000;

/**
 * How long to wait after the `failures`-th failure, ms. The first is retried at once, since there is most often another
 * server that can do it; then the wait doubles. Half of it is random, so that callers which failed together come back apart.
 */
export function backoffMs(failures: number, random: Random): number {
  if (failures <= 1) return 0;
  const ms = Math.min(BACKOFF_MS_MAX, BACKOFF_MS * 2 ** (failures - 2));
  return ms * (0.5 + random.float() / 2);
}
