// One run: a cluster, clients that use it, faults that meet it, and then the demand that all is well again.
import type { MasterConnection } from "../../masterd/client/client.ts";
import type { MasterOptions } from "../../masterd/server/start.ts";
import { InvariantError } from "../../std/assert.ts";
import { History } from "../check/history.ts";
import { checkKeys } from "../check/per-key.ts";
import type { Violation } from "../check/violation.ts";
import { codeOf, failed } from "../workload/answers.ts";
import { WorkloadClient } from "../workload/client.ts";
import { Keys } from "../workload/keys.ts";
import { BUCKET, drawWeights, type Shared } from "../workload/shared.ts";
import { drawMix } from "../workload/sizes.ts";
import { Uploads } from "../workload/uploads.ts";
import type { Client, Roles } from "../world/roles.ts";
import type { TraceField } from "../world/trace.ts";
import { World, WorldTimeout } from "../world/world.ts";
import { Atlas } from "./atlas.ts";
import { Cluster, MASTER_ADDRESS, type Member } from "./cluster.ts";
import { Coverage } from "./coverage.ts";
import type { FaultName } from "./faults.ts";
import { isEverybodyReady, Nemesis } from "./nemesis.ts";
import { Observer } from "./observer.ts";
import { endOperations } from "./operator-faults.ts";
import type { RunOutcome } from "./outcome.ts";
import type { Plan } from "./plan.ts";

export interface SimulationOptions {
  roles: Roles;
  seed: number;
  plan: Plan;
  scenario?: string;
  master?: Partial<MasterOptions>;
  /** Changes to what the plan's seed draws for the workload. */
  workload?: Partial<Shared>;
  /** Keep what programs log among the notes. */
  verbose?: boolean;
  /** Prints notes at once. */
  print?: (line: string) => void;
  /** Before clients begin, with everything up. */
  prepare?: (simulation: Simulation) => Promise<void>;
  /** What has to be so when everything has recovered. */
  verify: (simulation: Simulation) => Promise<void>;
  /** In place of the plan's faults. */
  script?: (simulation: Simulation) => Promise<void>;
}

/** A cluster without faults is up and serves within this. */
const START_MS = 30_000;
/** Once faults are over, every program serves and every kind of operation succeeds within this (P7). */
export const SERVICE_WITHIN_MS = 60_000;
/** And every client has its answers: uploads and downloads give up by themselves long before. */
const DRAIN_WITHIN_MS = 180_000;
const SAMPLE_MS = 1_000;
/** The observer's machine. */
const OBSERVER = "o";
const NOTES_MAX = 4_000;

interface Watcher {
  matches(event: string, fields: readonly TraceField[]): boolean;
  resolve(): void;
}

export class Simulation {
  readonly world: World;
  readonly cluster: Cluster;
  readonly atlas: Atlas;
  readonly nemesis: Nemesis;
  readonly shared: Shared;
  readonly uploads = new Uploads();
  readonly coverage: Coverage;
  readonly notes: string[] = [];
  readonly faults: Record<string, number> = {};
  /** Clients that run now, by the name of their node. */
  readonly running = new Map<string, { client: Client; worker: WorkloadClient; done: Promise<void> }>();
  private readonly watchers = new Set<Watcher>();
  /** What an operator has asked for and has no answer to yet. */
  private readonly operations = new Set<Promise<unknown>>();
  /** There once the cluster has begun. */
  observer: Observer | undefined;
  private lives = 0;
  private isWorking = false;

  constructor(readonly options: SimulationOptions) {
    const { seed, plan, roles } = options;
    const traceSink = (_: number, event: string, fields: readonly TraceField[]) =>
      this.onEvent(event, fields);
    this.world = new World(seed, {
      network: plan.network,
      traceSink,
      logSink: (_time, node, level, message, fields) => {
        this.coverage?.onLog(node, level, message);
        if (options.verbose) this.note(`${node} ${level}: ${message} ${JSON.stringify(fields)}`);
      },
    });
    const random = this.world.random("workload");
    this.shared = {
      history: new History(() => this.world.time),
      keys: new Keys(random.fork("keys")),
      sizes: drawMix(random.fork("sizes")),
      weights: drawWeights(random.fork("weights")),
      slow: random.pick([0, 0, 0.05, 0.3]),
      leave: random.pick([0, 0.01, 0.05]),
      thinkMs: plan.thinkMs,
      bytesPut: 0,
      violations: [],
      failures: new Map(),
      isOver: false,
      count: (what) => this.coverage.count(what),
      ...options.workload,
    };
    this.coverage = new Coverage(this.shared.history);
    const events = {
      onClient: (member: Member, client: Client) => this.onClient(member, client),
      onEnd: (member: Member, error: Error) => this.onEnd(member, error),
    };
    this.cluster = new Cluster(this.world, roles, plan, events, options.master);
    this.atlas = new Atlas(this.cluster);
    const { world, cluster, atlas } = this;
    this.nemesis = new Nemesis(
      { world, cluster, atlas, plan, random: world.random("faults"), operate: (run) => this.operate(run) },
      (name, what) => {
        this.faults[name] = (this.faults[name] ?? 0) + 1;
        this.coverage.onFault(name);
        this.note(`FAULT ${name}: ${what}`);
      },
    );
  }

  private operate(run: (master: MasterConnection) => Promise<unknown>): void {
    const { observer } = this;
    if (!observer) return;
    const operation = run(observer.master).catch((error: unknown) => {
      failed(error);
      this.coverage.count(`an operator was answered ${codeOf(error)}`);
    });
    this.operations.add(operation);
    void operation.finally(() => this.operations.delete(operation));
  }

  private onEvent(event: string, fields: readonly TraceField[]): void {
    this.coverage?.onEvent(event, fields);
    for (const watcher of this.watchers) {
      if (!watcher.matches(event, fields)) continue;
      this.watchers.delete(watcher);
      this.world.after(0, watcher.resolve);
    }
  }

  /** Resolves behind the next event of the trace for which `matches` holds: a disk, a packet, a timer, a line of a log. */
  next(matches: (event: string, fields: readonly TraceField[]) => boolean): Promise<void> {
    return new Promise((resolve) => this.watchers.add({ matches, resolve }));
  }

  /** A scenario has to have met its fault: one that passes by has shown nothing. */
  reached(what: string, isSo: boolean): void {
    this.coverage.count(`reached: ${what}`);
    if (!isSo) this.violation({ promise: "scenario", what: `it did not reach "${what}"`, detail: [] });
  }

  /** Lets time pass until `holds`, for `ms` at most; whether it did. */
  async waitFor(ms: number, holds: () => boolean): Promise<boolean> {
    try {
      await this.world.run(holds, ms);
      return true;
    } catch (error) {
      if (error instanceof WorldTimeout) return false;
      throw error;
    }
  }

  note(what: string): void {
    const line = `${(this.world.time / 1000).toFixed(3).padStart(9)} s  ${what}`;
    if (this.notes.length < NOTES_MAX) this.notes.push(line);
    this.options.print?.(line);
  }

  violation(violation: Violation): void {
    this.shared.violations.push(violation);
  }

  private onClient(member: Member, client: Client): void {
    const name = `${member.name}.${++this.lives}`;
    const { clock, random } = client.env;
    const worker = new WorkloadClient(
      { name, store: client.store, clock, random },
      this.shared,
      this.uploads,
    );
    const done = this.isWorking ? worker.run(this.options.plan.usersPerClient) : Promise.resolve();
    this.running.set(member.name, { client, worker, done });
  }

  private onEnd(member: Member, error: Error): void {
    this.note(`${member.name} ended: ${error.message}`);
    this.coverage.count(`a ${member.role} ended by itself`);
    if (error instanceof InvariantError) throw error;
  }

  /** Runs everything; a failure of any kind is in the outcome. */
  async run(): Promise<RunOutcome> {
    try {
      await this.begin();
      await this.work();
      await this.recover();
      await this.options.verify(this);
      const result = checkKeys(this.shared.history);
      this.coverage.add("operations checked", result.operations);
      this.coverage.add("keys undecided", result.undecided.length);
      for (const violation of result.violations) this.violation(violation);
    } catch (error) {
      this.violation(describeFailure(error));
    }
    return this.outcome();
  }

  private async begin(): Promise<void> {
    const { cluster, world, options } = this;
    for (const member of cluster.members) member.start();
    await world.run(() => isEverybodyReady(cluster), START_MS);
    const node = world.node(OBSERVER);
    const observing = options.roles.startClient(node, { master: MASTER_ADDRESS });
    const parts = { world, cluster, shared: this.shared, random: world.random(OBSERVER) };
    this.observer = new Observer(node, await world.run(observing, START_MS), parts);
    const { client } = this.running.get(cluster.clients[0]!.name)!;
    await world.run(client.master.createBucket({ name: BUCKET, owner: "u" }), START_MS);
    await options.prepare?.(this);
    this.isWorking = true;
    this.observer.start();
    for (const [, running] of this.running) running.done = running.worker.run(options.plan.usersPerClient);
    this.sample();
  }

  private async work(): Promise<void> {
    const { plan, script } = this.options;
    if (script) {
      await script(this);
      return;
    }
    this.nemesis.start();
    await this.world.pass(plan.workMs);
    if (!plan.finale) return;
    this.nemesis.inject(plan.finale.fault as FaultName);
    await this.world.pass(plan.finale.ms);
  }

  /** Faults end. From then on everything is to be well within stated times (P7). */
  private async recover(): Promise<void> {
    const { world, cluster } = this;
    this.nemesis.heal();
    this.note("HEALED");
    this.coverage.isHealed = true;
    await this.within(SERVICE_WITHIN_MS, "every program serves again", () => isEverybodyReady(cluster));
    await this.within(SERVICE_WITHIN_MS, "the operator has all answers", Promise.all(this.operations));
    await this.within(
      SERVICE_WITHIN_MS,
      "the operator's work is ended",
      endOperations(cluster, this.observer!),
    );
    await this.within(SERVICE_WITHIN_MS, "all that stay serve", () => isEverybodyReady(cluster));
    await world.pass(2_000);
    this.shared.isOver = true;
    this.isWorking = false;
    const drained = Promise.all([...this.running.values()].map(({ done }) => done));
    await this.within(DRAIN_WITHIN_MS, "every client has its answers", drained);
  }

  /** Lets time pass until `what` is so; throws {@link LivenessError} when it takes longer. */
  async within<T>(ms: number, what: string, until: Promise<T> | (() => boolean)): Promise<T> {
    try {
      return await this.world.run(until, ms);
    } catch (error) {
      if (!(error instanceof WorldTimeout)) throw error;
      const notReady = this.cluster.members.filter(({ isReady }) => !isReady).map(({ name }) => name);
      const open = this.shared.history.entries.filter(({ end }) => end === undefined).slice(-5);
      throw new LivenessError(`${ms / 1000} s after the faults it is not so that ${what}`, [
        `not serving: ${notReady.join(", ") || "nobody"}`,
        ...open.map(({ client, request }) => `open: ${client} ${request.kind} ${request.key}`),
      ]);
    }
  }

  /** Queues and buffers keep to their limits, all the time (P9). */
  private sample(): void {
    for (const [name, { client }] of this.running) {
      const { writer, reader } = client;
      if (writer.inFlightBytes > WRITER_BYTES_MAX || reader.readAheadBytes > READER_BYTES_MAX) {
        const what = `${name} holds ${writer.inFlightBytes} bytes of uploads and ${reader.readAheadBytes} of downloads`;
        this.violation({ promise: "P9", what, detail: [] });
      }
    }
    this.world.after(SAMPLE_MS, () => this.sample());
  }

  private outcome(): RunOutcome {
    const { world, options, faults, notes, shared, coverage } = this;
    return {
      seed: options.seed,
      scenario: options.scenario,
      hash: world.traceHash,
      events: world.traceEvents,
      virtualMs: world.time,
      violations: shared.violations,
      faults,
      coverage: coverage.counts,
      failures: Object.fromEntries(shared.failures),
      notes,
    };
  }
}

/** What chunkd/client promises for a process. */
const WRITER_BYTES_MAX = 48 << 20;
const READER_BYTES_MAX = 128 << 20;

/** The cluster did not recover in time. */
export class LivenessError extends Error {
  constructor(
    message: string,
    readonly detail: readonly string[],
  ) {
    super(message);
  }
}

function describeFailure(error: unknown): Violation {
  if (error instanceof LivenessError) return { promise: "P7", what: error.message, detail: error.detail };
  const trace = error instanceof Error ? (error.stack ?? error.message) : String(error);
  const what = `a program died of a bug: ${error instanceof Error ? error.message : String(error)}`;
  return {
    promise: "bug",
    what,
    detail: trace
      .split("\n")
      .slice(1, 12)
      .map((line) => line.trim()),
  };
}
