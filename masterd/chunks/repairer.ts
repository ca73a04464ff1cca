// Brings sealed chunks back to three replicas on servers that may keep them: those with the fewest first, as many copies
// at a time as servers and the rate allow.
import { RemoteError } from "../../chunkd/protocol/errors.ts";
import type { KnownChunk } from "./directory.ts";
import type { ChunkParts } from "./parts.ts";
import { type Candidate, roomOn, usedShare } from "./placement.ts";
import { RateLimit } from "./rate-limit.ts";
import { planRepair, type RepairAction, type RepairPlan, type ServerView } from "./repair-plan.ts";
import { RepairQueue } from "./repair-queue.ts";
import type { ReplicaWork } from "./replica-work.ts";
import { GONE_MS } from "./servers.ts";

/** Over the whole cluster; a chunk with one replica left is copied whatever the rate. */
export const REPAIR_BYTES_PER_SECOND = 200 << 20;
/** Suspects looked at in one tick, in count and in ms, so that a cluster of many chunks does not stall the master. */
const SUSPECTS_PER_TICK = 2_000;
const TICK_MS_MAX = 4;
/** Queued chunks looked at in one tick. */
const QUEUED_PER_TICK = 500;
/** The same whenever something has ended, which may be thousands of times a second. */
const QUEUED_PER_END = 8;
const RETRY_MIN_MS = 1_000;
const RETRY_MAX_MS = 300_000;

interface Failure {
  count: number;
  /** Monotonic, ms. */
  notBeforeMs: number;
  servers: string[];
}

/** Answers to a seal that say nothing about the replica. */
const MAY_SEAL_LATER = new Set(["NO_SPACE", "OVERLOADED", "DISK_FAILED"]);

export interface RepairOptions {
  goneMs?: number;
  repairBytesPerSecond?: number;
}

export class Repairer {
  readonly queue = new RepairQueue();
  private readonly failures = new Map<number, Failure>();
  private readonly gone = new Set<string>();
  private readonly rate: RateLimit;
  private readonly running = new Set<Promise<void>>();
  /** Monotonic ms: until then, servers that vanished together may still be coming back. */
  private settlingUntilMs = 0;
  private warnedOfMassLoss = false;
  private stopped = false;

  constructor(
    private readonly parts: ChunkParts,
    private readonly work: ReplicaWork,
    /** The servers that may take new replicas, with their room. */
    private readonly candidates: () => Candidate[],
    private readonly options: RepairOptions,
  ) {
    this.rate = new RateLimit(parts.clock, options.repairBytesPerSecond ?? REPAIR_BYTES_PER_SECOND);
  }

  /** Whether no chunk lacks a replica that could be made now. */
  get idle(): boolean {
    return this.queue.urgent === 0 && this.work.activeCopies === 0;
  }

  /** So many servers are away, or were a moment ago, that nothing is copied to new places (F29). */
  get holding(): boolean {
    return this.parts.servers.massLoss() || this.parts.clock.monotonic() < this.settlingUntilMs;
  }

  /** Looks for chunks that need something, and starts as much of it as there is room for. */
  tick(): void {
    if (this.stopped) return;
    this.noticeGone();
    const view = this.view();
    this.work.abandonStalled((id) => view.isLive(id));
    const { directory, clock } = this.parts;
    const endMs = clock.monotonic() + TICK_MS_MAX;
    let left = Math.min(SUSPECTS_PER_TICK, directory.suspects.size);
    for (const handle of directory.suspects) {
      if (left-- === 0 || clock.monotonic() > endMs) break;
      this.look(handle, view);
    }
    this.startQueued(view, QUEUED_PER_TICK);
  }

  /** Plans for one chunk: it is queued, or waits for another look, or needs nothing. */
  private look(handle: number, view: ServerView): RepairPlan | undefined {
    const { directory } = this.parts;
    const chunk = directory.get(handle);
    // Back to the end of the line: a Set keeps the order of insertion.
    directory.suspects.delete(handle);
    this.queue.delete(handle);
    if (chunk?.state !== "sealed") return undefined;
    const plan = planRepair(chunk, view);
    if (plan.done) return plan;
    directory.suspects.add(handle);
    if (plan.action && this.mayStart(handle)) this.queue.put(handle, plan.sound);
    return plan;
  }

  private startQueued(view: ServerView, looks: number): void {
    for (const handle of this.queue.first(looks)) {
      const plan = this.look(handle, view);
      const chunk = this.parts.directory.get(handle);
      if (!chunk || !plan?.action || !this.work.hasRoomFor(plan.action)) continue;
      if (plan.action.kind === "copy") {
        if (plan.sound > 1 && !this.rate.open) continue;
        this.rate.take(chunk.length);
      }
      this.start(chunk, plan.action);
    }
  }

  private noticeGone(): void {
    const { servers, directory, log, clock } = this.parts;
    for (const id of servers.ids()) {
      const isGone = servers.isGone(id);
      if (isGone === this.gone.has(id)) continue;
      directory.suspect(id);
      if (isGone) this.gone.add(id);
      else this.gone.delete(id);
      if (isGone) log.warn("a chunkserver is gone: its chunks get replicas elsewhere", { server: id });
    }
    const massLoss = servers.massLoss();
    if (massLoss) this.settlingUntilMs = clock.monotonic() + (this.options.goneMs ?? GONE_MS);
    if (massLoss && !this.warnedOfMassLoss) {
      log.warn("more than half of the chunkservers are away: no repair to new places until some are back");
    }
    this.warnedOfMassLoss = massLoss;
  }

  /** What is known of the servers now; good for one turn of the event loop. */
  private view(): ServerView {
    const { servers, directory } = this.parts;
    let room: Map<string, Candidate> | undefined;
    const rooms = (): Map<string, Candidate> => {
      room ??= new Map(this.candidates().map((candidate) => [candidate.id, candidate]));
      return room;
    };
    return {
      isLive: (id) => {
        const server = servers.get(id);
        return server !== undefined && servers.isLive(server);
      },
      isGone: (id) => servers.isGone(id),
      diskFailed: (id) => servers.get(id)?.diskFailed ?? false,
      isUsable: (id) => servers.isUsable(id),
      isLeaving: (id) => servers.isLeaving(id),
      takes: (id, length) => {
        const candidate = rooms().get(id);
        return candidate !== undefined && roomOn(candidate) > length + this.work.bytesComingTo(id);
      },
      places: () => this.bestFirst([...rooms().values()]),
      usedShare: (id) => usedShare(directory.bytesOn(id), servers.get(id)?.freeBytes ?? 0),
      copiesFrom: (id) => this.work.copiesFrom(id),
      massLoss: this.holding,
    };
  }

  /** Few copies under way before much room: many chunks then go to many servers. */
  private bestFirst(candidates: Candidate[]): string[] {
    const busy = (id: string): number => this.work.copiesTo(id);
    return candidates.sort((a, b) => busy(a.id) - busy(b.id) || roomOn(b) - roomOn(a)).map(({ id }) => id);
  }

  private mayStart(handle: number): boolean {
    const notBeforeMs = this.failures.get(handle)?.notBeforeMs ?? 0;
    return !this.work.isActive(handle) && notBeforeMs <= this.parts.clock.monotonic();
  }

  private start(chunk: KnownChunk, action: RepairAction): void {
    const { handle } = chunk;
    this.queue.delete(handle);
    const done = this.work
      .perform(chunk, action)
      .then(() => void this.failures.delete(handle))
      .catch((error: Error) => this.onFailure(chunk, action, error))
      .finally(() => {
        this.running.delete(done);
        if (this.stopped) return;
        const view = this.view();
        this.look(handle, view);
        this.startQueued(view, QUEUED_PER_END);
      });
    this.running.add(done);
  }

  private onFailure(chunk: KnownChunk, action: RepairAction, error: Error): void {
    const { directory, clock, log } = this.parts;
    const { handle } = chunk;
    log.warn("a repair failed", { handle, ...action, error: String(error) });
    const code = error instanceof RemoteError ? error.code : undefined;
    // A replica that refuses its seal is no prefix after all, or broken: it is made anew.
    const isBroken = code !== undefined && !MAY_SEAL_LATER.has(code);
    if (action.kind === "seal" && isBroken) directory.markDamaged(handle, action.target);
    if (action.kind === "copy" && code === "CHECKSUM") directory.markDamaged(handle, action.source);
    const count = (this.failures.get(handle)?.count ?? 0) + 1;
    const wait = Math.min(RETRY_MAX_MS, RETRY_MIN_MS * 2 ** Math.min(count - 1, 10));
    const servers = action.kind === "copy" ? [action.source, action.target] : [action.target];
    this.failures.set(handle, { count, notBeforeMs: clock.monotonic() + wait, servers });
  }

  /** Server `id` has come back: what failed with it may work now. */
  forgetFailures(id: string): void {
    const { directory } = this.parts;
    for (const [handle, { servers }] of this.failures) {
      // It may also be what the others are to be copied from.
      if (servers.includes(id) || directory.get(handle)?.replicas.has(id)) this.failures.delete(handle);
    }
  }

  async close(): Promise<void> {
    this.stopped = true;
    await this.work.close();
    await Promise.allSettled(this.running);
  }
}
