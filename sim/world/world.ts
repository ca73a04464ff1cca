// The whole cluster in one process, in virtual time, from one seed.
import { type NetworkOptions, SimNetwork } from "./network.ts";
import { type LogSink, type NodeOptions, SimNode } from "./node.ts";
import { type Scheduled, Scheduler } from "./scheduler.ts";
import type { SeededRandom } from "./seeded-random.ts";
import type { TraceField, TraceSink } from "./trace.ts";

export interface WorldOptions {
  /** The wall time at which the world begins, ms since 1970. */
  epochMs?: number;
  network?: NetworkOptions;
  /** Told of every event that goes into the trace hash. */
  traceSink?: TraceSink;
  /** Told of every line that a program logs. */
  logSink?: LogSink;
}

const EPOCH_MS = Date.UTC(2026, 0, 1);
/** Real time passes between so many events, so that the runtime can report what nobody caught. */
const EVENTS_PER_TURN = 512;

/** Nothing is left that could ever happen, or the time is up. */
export class WorldTimeout extends Error {}

export class World {
  readonly network: SimNetwork;
  private readonly scheduler: Scheduler;
  private readonly known = new Map<string, SimNode>();
  private running = false;
  /** The first error that nobody caught: a real process would have died of it. */
  private uncaught: { error: unknown } | undefined;

  constructor(
    readonly seed: number,
    private readonly options: WorldOptions = {},
  ) {
    this.scheduler = new Scheduler(seed, options.traceSink);
    this.network = new SimNetwork(this.scheduler, options.network);
  }

  /** Virtual ms since the world began. */
  get time(): number {
    return this.scheduler.now;
  }

  /** A stream of random numbers of its own: what is drawn from it changes nothing anywhere else. */
  random(label: string): SeededRandom {
    return this.scheduler.random(`world/${label}`);
  }

  trace(event: string, ...fields: readonly TraceField[]): void {
    this.scheduler.record(event, ...fields);
  }

  /** 16 hex digits over all that happened so far. */
  get traceHash(): string {
    return this.scheduler.trace.hash;
  }

  /** Events in the trace so far. */
  get traceEvents(): number {
    return this.scheduler.trace.events;
  }

  /** Makes a machine. Its name is its host name: programs listen at `name:port`. */
  node(name: string, options: NodeOptions = {}): SimNode {
    if (this.known.has(name)) throw new Error(`there is a node ${name} already`);
    const { scheduler, network } = this;
    const { epochMs = EPOCH_MS, logSink } = this.options;
    const node = new SimNode(name, { scheduler, network, epochMs, logSink }, options);
    this.known.set(name, node);
    return node;
  }

  get nodes(): ReadonlyMap<string, SimNode> {
    return this.known;
  }

  /** Runs `run` in `ms` of virtual time: for what no node does, such as faults. */
  after(ms: number, run: () => void): Scheduled {
    return this.scheduler.after(ms, run);
  }

  delay(ms: number): Promise<void> {
    return new Promise((resolve) => this.scheduler.after(ms, resolve));
  }

  /**
   * Lets time pass until `until` settles or holds, and at most `msMax` of virtual time. Resolves with what the promise
   * did; rejects as it does, with {@link WorldTimeout}, or with an error that a program let escape. Only one run at a
   * time, and nothing of real time (files, timers, imports) may be awaited inside.
   */
  async run<T = void>(until: Promise<T> | (() => boolean), msMax: number): Promise<T> {
    if (this.running) throw new Error("one run at a time");
    this.running = true;
    const limit = this.scheduler.now + msMax;
    const isDone = typeof until === "function" ? undefined : settled(until);
    const uncaught = (error: unknown): void => {
      this.uncaught ??= { error };
    };
    process.on("unhandledRejection", uncaught);
    process.on("uncaughtException", uncaught);
    try {
      this.scheduler.settle();
      for (let events = 0; ; events++) {
        if (events % EVENTS_PER_TURN === 0) await realTurn();
        if (this.uncaught) throw this.uncaught.error;
        if (typeof until === "function" ? until() : isDone?.value) break;
        if (!this.scheduler.step(limit)) {
          await realTurn();
          if (this.uncaught) throw (this.uncaught as { error: unknown }).error;
          const why = this.scheduler.isIdle ? "nothing more can happen" : `${msMax} ms have passed`;
          throw new WorldTimeout(`waited in vain: ${why} (seed ${this.seed}, time ${Math.round(this.time)})`);
        }
      }
      if (typeof until === "function") return undefined as T;
      return await until;
    } finally {
      this.running = false;
      process.off("unhandledRejection", uncaught);
      process.off("uncaughtException", uncaught);
    }
  }

  /** Lets `ms` of virtual time pass. */
  async pass(ms: number): Promise<void> {
    await this.run(this.delay(ms), ms + 1);
  }
}

function settled(promise: Promise<unknown>): { value: boolean } {
  const done = { value: false };
  const set = (): void => {
    done.value = true;
  };
  promise.then(set, set);
  return done;
}

function realTurn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
