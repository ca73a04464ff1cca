import { type Clock, systemClock } from "../../../std/clock.ts";

/** A clock that runs `factor` times as fast as real time, so that bounds of many seconds are met in a test. */
export function fastClock(factor: number): Clock {
  return {
    now: () => systemClock.now(),
    monotonic: () => systemClock.monotonic() * factor,
    after: (ms, run) => systemClock.after(ms / factor, run),
  };
}

/** A clock whose timers run only when a test advances it. */
export class ManualClock implements Clock {
  private time = 0;
  private timers: { at: number; run: () => void }[] = [];

  now(): number {
    return this.time;
  }

  monotonic(): number {
    return this.time;
  }

  after(ms: number, run: () => void): { cancel(): void } {
    const timer = { at: this.time + ms, run };
    this.timers.push(timer);
    return { cancel: () => this.timers.splice(this.timers.indexOf(timer) >>> 0, 1) };
  }

  /** Lets `ms` pass in which no timer runs, as while a process is stopped. */
  skip(ms: number): void {
    this.time += ms;
  }

  /** Runs everything that falls due within `ms`, in order, each followed by what it sets off. */
  async advance(ms: number): Promise<void> {
    const until = this.time + ms;
    for (;;) {
      const due = this.timers.filter(({ at }) => at <= until).sort((a, b) => a.at - b.at)[0];
      if (!due) break;
      this.timers.splice(this.timers.indexOf(due), 1);
      this.time = Math.max(this.time, due.at);
      due.run();
      await turn();
    }
    this.time = until;
    await turn();
  }
}

/** Lets everything that is ready run: one turn of the event loop. */
export function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

/** Resolves once `condition` holds; the test's own time limit ends a wait in vain. */
export async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await turn();
}
