// Everything about chunks that is not in the catalog, wired together: servers, leases, sealing, repair, garbage.
import type { MasterPoint } from "../../chunkd/protocol/master-point.ts";
import { HANDLE_MAX } from "../../chunkd/protocol/record.ts";
import type { Clock, Timer } from "../../std/clock.ts";
import type { Log } from "../../std/log.ts";
import type { Random } from "../../std/random.ts";
import type { Lease } from "../protocol/messages.ts";
import { MasterError } from "../store/errors.ts";
import type { Store } from "../store/store.ts";
import { AbandonedUploads } from "./abandoned-uploads.ts";
import { Amnesia } from "./amnesia.ts";
import { Collector, type CollectorOptions } from "./collector.ts";
import { Compactor, type CompactorOptions } from "./compactor.ts";
import { ChunkDirectory } from "./directory.ts";
import { LeaseTable } from "./leases.ts";
import { Orphans } from "./orphans.ts";
import type { ChunkParts } from "./parts.ts";
import { type Candidate, choosePlaces, REPLICAS_MIN } from "./placement.ts";
import { type RebalanceOptions, Rebalancer } from "./rebalancer.ts";
import { Recognition } from "./recognition.ts";
import { Registrations } from "./registrations.ts";
import { Repairer, type RepairOptions } from "./repairer.ts";
import { ReplicaWork } from "./replica-work.ts";
import { Sealer } from "./sealer.ts";
import { ServerAdmin } from "./server-admin.ts";
import { ServerTable } from "./servers.ts";
import { isShortOfSpace } from "./space-pressure.ts";
import { UncommittedChunks } from "./uncommitted.ts";

const TICK_MS = 500;
/** Chunks open at once, over all writers. */
const OPEN_CHUNKS_MAX = 4096;

export interface ChunkOptions extends CollectorOptions, RepairOptions, RebalanceOptions, CompactorOptions {
  controlSecret: string;
  leaseMs?: number;
  orphanGraceMs?: number;
  abandonedUploadDays?: number;
  tickMs?: number;
  recogniseMs?: number;
}

export interface ChunkEnvironment {
  clock: Clock;
  log: Log;
  random: Random;
  store: Store;
}

export class ChunkManager {
  readonly servers: ServerTable;
  readonly directory: ChunkDirectory;
  readonly leases: LeaseTable;
  readonly orphans: Orphans;
  readonly registrations: Registrations;
  private readonly forgotten: Amnesia;
  private readonly recognition: Recognition;
  readonly admin: ServerAdmin;
  readonly work: ReplicaWork;
  readonly repairer: Repairer;
  readonly rebalancer: Rebalancer;
  readonly compactor: Compactor;
  readonly uploads: AbandonedUploads;
  private readonly sealer: Sealer;
  private readonly collector: Collector;
  private readonly uncommitted: UncommittedChunks;
  private timer: Timer | undefined;

  constructor(
    private readonly env: ChunkEnvironment,
    private readonly options: ChunkOptions,
  ) {
    const { clock, store } = env;
    this.servers = new ServerTable(clock, options.goneMs);
    this.directory = new ChunkDirectory(this.servers);
    this.leases = new LeaseTable(clock, options.controlSecret, options.leaseMs);
    this.uncommitted = new UncommittedChunks(clock);
    const parts: ChunkParts = { ...env, servers: this.servers, directory: this.directory };
    const candidates = (): Candidate[] => this.candidates();
    const spaceIsShort = (): boolean => this.spaceIsShort;
    this.sealer = new Sealer(parts);
    this.work = new ReplicaWork(parts);
    this.repairer = new Repairer(parts, this.work, candidates, options);
    this.rebalancer = new Rebalancer(parts, this.repairer, this.work, candidates, options);
    this.collector = new Collector(parts, options, this.uncommitted, spaceIsShort);
    const newHandle = (): number => this.newHandle();
    const help = { newHandle, uncommitted: this.uncommitted, spaceIsShort };
    this.compactor = new Compactor(parts, options, help);
    this.orphans = new Orphans(parts, options.orphanGraceMs);
    this.uploads = new AbandonedUploads(parts, options.abandonedUploadDays);
    this.forgotten = new Amnesia(parts);
    this.registrations = new Registrations(parts, this.orphans, this.forgotten, {
      onSeen: () => this.recognition.end(),
      onReported: (id) => this.onReported(id),
    });
    this.admin = new ServerAdmin(parts, this.repairer, candidates, (id) => this.onRemoved(id));
    for (const row of store.catalog.chunks.all()) this.directory.load(row);
    for (const { id, state } of store.catalog.servers.all()) this.servers.load(id, state);
    this.recognition = new Recognition(clock, this.servers.knowsAny, options.recogniseMs);
    store.onDurable = (command) => {
      this.servers.follow(command);
      this.directory.follow(command);
    };
  }

  /** Set when the chunkservers show that this master has forgotten its chunks: it must not serve then. */
  get amnesia(): string | undefined {
    return this.forgotten.why;
  }

  /** Until this resolves, the master may turn out to have forgotten; undefined when it may speak. */
  get unrecognised(): Promise<void> | undefined {
    return this.recognition.pending;
  }

  /** How far this master has come. */
  get reached(): MasterPoint {
    return this.forgotten.reached;
  }

  /** The disks are nearly full. */
  get spaceIsShort(): boolean {
    return isShortOfSpace(this.servers);
  }

  /** Seals what the master's last life left open, and begins to look after the chunks. */
  start(): void {
    for (const handle of this.directory.open) this.sealer.seal(handle);
    this.schedule();
  }

  private schedule(): void {
    this.timer = this.env.clock.after(this.options.tickMs ?? TICK_MS, () => {
      this.tick();
      this.schedule();
    });
  }

  private tick(): void {
    if (this.amnesia !== undefined) return;
    for (const handle of this.leases.expire()) this.sealer.seal(handle);
    this.sealer.tick();
    this.repairer.tick();
    this.rebalancer.tick();
    this.admin.tick();
    this.collector.tick();
    this.orphans.tick();
    this.compactor.tick();
    this.uploads.tick();
  }

  private onReported(id: string): void {
    if (this.amnesia !== undefined) return;
    this.sealer.hurry(id);
    this.repairer.forgetFailures(id);
    this.collector.hurry();
    this.repairer.tick();
  }

  private onRemoved(id: string): void {
    // As if it had told that it has nothing.
    this.directory.beginReport(id);
    this.directory.endReport(id);
    this.sealer.hurry(id);
    this.collector.hurry();
  }

  /** Servers that can take a new replica now. */
  private candidates(): Candidate[] {
    const openChunks = new Map<string, number>();
    const primaries = new Map<string, number>();
    const count = (counts: Map<string, number>, id: string): void =>
      void counts.set(id, (counts.get(id) ?? 0) + 1);
    for (const handle of this.directory.open) {
      const { members } = this.directory.get(handle)!;
      count(primaries, members[0]!);
      for (const id of members) count(openChunks, id);
    }
    return this.servers
      .live()
      .filter(({ id }) => this.servers.takesReplicas(id))
      .map(({ id, freeBytes }) => {
        return { id, freeBytes, openChunks: openChunks.get(id) ?? 0, primaries: primaries.get(id) ?? 0 };
      });
  }

  /**
   * Opens up to `count` new chunks, at least one, and leases them; durable before anybody hears of them.
   * Throws `NOT_ENOUGH_SERVERS`, or `NO_SPACE` where enough servers are there but too few have room.
   */
  async openChunks(count: number): Promise<Lease[]> {
    if (this.directory.open.size + count > OPEN_CHUNKS_MAX) {
      throw new MasterError("NOT_ENOUGH_SERVERS", `${OPEN_CHUNKS_MAX} chunks are open already: close some`);
    }
    const candidates = this.candidates();
    const chunks: { handle: number; members: string[] }[] = [];
    while (chunks.length < count) {
      const places = choosePlaces(candidates, () => this.env.random.float());
      if (places.length < REPLICAS_MIN) break;
      places[0]!.primaries++;
      for (const place of places) place.openChunks++;
      chunks.push({ handle: this.newHandle(), members: places.map(({ id }) => id) });
    }
    if (chunks.length === 0) throw noPlace(candidates.length);
    await this.env.store.submit<"openChunks">({ type: "openChunks", chunks, at: this.env.clock.now() });
    return chunks.map(({ handle, members }) => {
      const replicas = members.map((id) => this.servers.leased(id)!);
      return this.leases.grant(handle, 1, replicas);
    });
  }

  /** One that no chunk has, nor ever had. */
  private newHandle(): number {
    for (;;) {
      const handle = Number(this.env.random.bytes(8).readBigUInt64LE() & BigInt(HANDLE_MAX));
      if (handle > 0 && !this.directory.get(handle) && !this.directory.reserved.has(handle)) return handle;
    }
  }

  /**
   * The leases that go on; one that is over, or has lost a replica's server, is left out. `uncommitted`: chunks with
   * data that the caller may still commit.
   */
  renewLeases(handles: readonly number[], uncommitted: readonly number[] = []): Lease[] {
    this.uncommitted.note(uncommitted);
    const leases: Lease[] = [];
    for (const handle of handles) {
      const chunk = this.directory.get(handle);
      const isComplete = (chunk?.members ?? []).every((id) => {
        const server = this.servers.get(id);
        const isThere = server !== undefined && this.servers.isLive(server) && !server.diskFailed;
        // Only a sealed chunk is repaired: one with a damaged replica must not stay open for as long as it is written.
        return isThere && !this.servers.isLeaving(id) && !chunk?.replicas.get(id)?.damaged;
      });
      const lease = isComplete ? this.leases.renew(handle) : undefined;
      if (lease) leases.push(lease);
    }
    return leases;
  }

  /** The holder is done: the lease ends, and the chunk is fenced and sealed in the background. */
  closeChunks(handles: readonly number[]): void {
    for (const handle of handles) {
      this.leases.end(handle);
      this.sealer.seal(handle);
    }
  }

  reportDamage(handle: number, replica: string): void {
    this.directory.markDamaged(handle, replica);
    this.env.log.warn("a reader found a damaged replica", { handle, server: replica });
  }

  async close(): Promise<void> {
    this.recognition.end();
    this.timer?.cancel();
    for (const { connection } of this.servers.all()) connection.close();
    await Promise.all([
      this.sealer.close(),
      this.repairer.close(),
      this.rebalancer.close(),
      this.admin.close(),
      this.collector.close(),
      this.orphans.close(),
      this.compactor.close(),
      this.uploads.close(),
    ]);
  }
}

function noPlace(live: number): MasterError {
  if (live < REPLICAS_MIN) {
    const why = `a new chunk needs ${REPLICAS_MIN} live chunkservers, and there are ${live}: start more`;
    return new MasterError("NOT_ENOUGH_SERVERS", why);
  }
  const why = `of ${live} live chunkservers fewer than ${REPLICAS_MIN} have room for a chunk: delete objects or add disks`;
  return new MasterError("NO_SPACE", why);
}
