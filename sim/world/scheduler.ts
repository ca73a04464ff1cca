// Virtual time. An event runs, then everything that it made ready, then the next event: nothing else moves the clock.
import { drainMicrotasks } from "bun:jsc";
import { type Event, EventQueue } from "./event-queue.ts";
import { SeededRandom } from "./seeded-random.ts";
import { Trace, type TraceField, type TraceSink } from "./trace.ts";

export interface Scheduled {
  cancel(): void;
}

export class Scheduler {
  /** Virtual ms since the world began. */
  now = 0;
  readonly trace: Trace;
  private readonly root: SeededRandom;
  private readonly ties: SeededRandom;
  private readonly queue = new EventQueue();
  private sequence = 0;
  private endings: (() => void)[] = [];

  constructor(seed: number, sink?: TraceSink) {
    this.root = new SeededRandom(String(seed));
    this.ties = this.random("ties");
    this.trace = new Trace(sink);
  }

  random(label: string): SeededRandom {
    return this.root.fork(label);
  }

  record(event: string, ...fields: readonly TraceField[]): void {
    this.trace.record(this.now, event, ...fields);
  }

  /** Runs `run` in `ms`; events of one moment run in an order that the seed chooses. */
  after(ms: number, run: () => void): Scheduled {
    return this.at(this.now + Math.max(0, ms), run);
  }

  /** The same at a moment of virtual time, now at the earliest. */
  at(time: number, run: () => void): Scheduled {
    const event: Event & Scheduled = {
      time: Math.max(this.now, time),
      tie: this.ties.uint32(),
      sequence: this.sequence++,
      run,
      cancelled: false,
      cancel() {
        this.cancelled = true;
      },
    };
    this.queue.push(event);
    return event;
  }

  /** Runs `run` when the current event and everything that follows from it without waiting is done. */
  atEventEnd(run: () => void): void {
    this.endings.push(run);
  }

  /** Runs the next event that is not after `limit`. False: there is none, and the time is `limit`. */
  step(limit: number): boolean {
    const event = this.queue.peek();
    if (!event || event.time > limit) {
      if (Number.isFinite(limit)) this.now = Math.max(this.now, limit);
      return false;
    }
    this.queue.pop();
    this.now = event.time;
    event.run();
    this.settle();
    return true;
  }

  /** Runs what is ready at this moment. */
  settle(): void {
    drainMicrotasks();
    while (this.endings.length > 0) {
      const { endings } = this;
      this.endings = [];
      for (const ending of endings) ending();
      drainMicrotasks();
    }
  }

  get isIdle(): boolean {
    return this.queue.peek() === undefined;
  }
}
