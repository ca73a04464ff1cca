/** Time as a part sees it. Cores take a `Clock`, so that a simulator can own time. */
export interface Clock {
  /** Wall time in ms since the Unix epoch. May jump; never used to order events. */
  now(): number;
  /** Monotonic ms since an arbitrary start. */
  monotonic(): number;
  /** Runs `run` once after `ms`; the timer never keeps the process alive by itself. */
  after(ms: number, run: () => void): Timer;
}

export interface Timer {
  cancel(): void;
}

export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  after(ms, run) {
    const timer = setTimeout(run, ms);
    timer.unref();
    return { cancel: () => clearTimeout(timer) };
  },
};

/** Resolves after `ms` of `clock`. */
export function delay(clock: Clock, ms: number): Promise<void> {
  return new Promise((resolve) => clock.after(ms, resolve));
}
