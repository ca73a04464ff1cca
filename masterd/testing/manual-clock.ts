import type { Clock, Timer } from "../../std/clock.ts";

interface Due {
  at: number;
  run(): void;
}

/** Time that passes only when the test says so. */
export class ManualClock implements Clock {
  private time = 1_000_000;
  private readonly timers = new Set<Due>();

  now(): number {
    return 1_700_000_000_000 + this.time;
  }

  monotonic(): number {
    return this.time;
  }

  after(ms: number, run: () => void): Timer {
    const due = { at: this.time + ms, run };
    this.timers.add(due);
    return { cancel: () => void this.timers.delete(due) };
  }

  /** Passes `ms`, running what falls due in order. */
  advance(ms: number): void {
    const end = this.time + ms;
    for (;;) {
      const [next] = [...this.timers].filter(({ at }) => at <= end).sort((a, b) => a.at - b.at);
      if (!next) break;
      this.timers.delete(next);
      this.time = Math.max(this.time, next.at);
      next.run();
    }
    this.time = end;
  }
}
