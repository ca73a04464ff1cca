import type { Clock, Timer } from "../../std/clock.ts";
import type { SimProcess } from "./process.ts";
import type { Scheduler } from "./scheduler.ts";
import type { SeededRandom } from "./seeded-random.ts";

export interface ClockOptions {
  /** How far the wall clock is ahead of the world's, ms. */
  skewMs?: number;
  /** How much faster than the world's both clocks run, parts per million. */
  driftPpm?: number;
}

/** A timer runs up to so much late, as in any process, ms. */
const LATE_MS_MAX = 1;

/** The clocks of one machine; they go on whatever happens to the programs on it. */
export class NodeClock {
  private skewMs: number;
  private rate: number;
  /** Where the present rate began: world time, and the machine's own time then. */
  private since = 0;
  private local = 0;
  private readonly bootedAt: number;

  constructor(
    private readonly scheduler: Scheduler,
    private readonly random: SeededRandom,
    private readonly epochMs: number,
    options: ClockOptions,
  ) {
    this.skewMs = options.skewMs ?? 0;
    this.rate = rateOf(options.driftPpm ?? 0);
    this.bootedAt = random.between(0, 1e6);
  }

  get now(): number {
    return Math.floor(this.epochMs + this.elapsed + this.skewMs);
  }

  get monotonic(): number {
    return this.bootedAt + this.elapsed;
  }

  private get elapsed(): number {
    return this.local + (this.scheduler.now - this.since) * this.rate;
  }

  /** The wall clock is set forward, or with a negative figure back; the monotonic one does not notice. */
  jump(ms: number): void {
    this.skewMs += ms;
  }

  setDrift(ppm: number): void {
    this.local = this.elapsed;
    this.since = this.scheduler.now;
    this.rate = rateOf(ppm);
  }

  /** The clock as the program `process` sees it. */
  of(process: SimProcess): Clock {
    return {
      now: () => this.now,
      monotonic: () => this.monotonic,
      after: (ms, run) => this.after(process, ms, run),
    };
  }

  private after(process: SimProcess, ms: number, run: () => void): Timer {
    if (!process.alive) return { cancel: () => {} };
    let cancelled = false;
    const late = this.random.float() * LATE_MS_MAX;
    const event = this.scheduler.after(Math.max(1, ms) / this.rate + late, () =>
      process.enter(() => {
        if (cancelled) return;
        this.scheduler.record("timer", process.node);
        run();
      }),
    );
    return {
      cancel: () => {
        cancelled = true;
        event.cancel();
      },
    };
  }
}

function rateOf(ppm: number): number {
  return 1 + ppm / 1e6;
}
