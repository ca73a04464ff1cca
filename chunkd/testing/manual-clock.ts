import type { Clock, Timer } from "../../std/clock.ts";

interface Alarm {
  at: number;
  run: () => void;
}

/** A clock that stands still until it is told to go on. */
export class ManualClock implements Clock {
  private time = 1_000;
  private alarms = new Set<Alarm>();
  /** What the wall clock is off by, ms. */
  wallOffset = Date.now();

  now(): number {
    return this.time + this.wallOffset;
  }

  monotonic(): number {
    return this.time;
  }

  after(ms: number, run: () => void): Timer {
    const alarm = { at: this.time + ms, run };
    this.alarms.add(alarm);
    return { cancel: () => this.alarms.delete(alarm) };
  }

  /** Lets `ms` pass; what is due runs in order. */
  advance(ms: number): void {
    const end = this.time + ms;
    for (;;) {
      const due = [...this.alarms].filter(({ at }) => at <= end).sort((a, b) => a.at - b.at)[0];
      if (!due) break;
      this.alarms.delete(due);
      this.time = Math.max(this.time, due.at);
      due.run();
    }
    this.time = end;
  }
}
