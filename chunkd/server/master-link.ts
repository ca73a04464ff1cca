// The connection to the master: register, report every chunk, then heartbeats. The master's commands come back over it.
import type { Clock, Timer } from "../../std/clock.ts";
import type { Log } from "../../std/log.ts";
import type { Address } from "../../std/net.ts";
import type { Random } from "../../std/random.ts";
import { type Connection, dial, type Environment, type Handler } from "../protocol/connection.ts";
import { ProtocolError, RemoteError } from "../protocol/errors.ts";
import type { ClusterSecrets } from "../protocol/handshake.ts";
import {
  type ChunkReport,
  DATA_LIMITS,
  type HeartbeatRequest,
  type HeartbeatResponse,
  MasterOp,
  REMOVED,
  REPORT_CHUNKS_MAX,
  type RegisterRequest,
  type RegisterResponse,
  type ReportRequest,
} from "../protocol/messages.ts";
import type { WireStats } from "../protocol/wire-stats.ts";
import type { ChunkStore } from "../store/chunk-store.ts";
import type { MasterClock } from "./master-clock.ts";
import type { MasterMemory } from "./master-memory.ts";
import type { Scrubber } from "./scrubber.ts";

const RETRY_MS_MIN = 100;
const RETRY_MS_MAX = 3_000;
/** A master that does not answer in this time is dialled again, ms. */
const CALL_TIMEOUT_MS = 10_000;
/** Damaged replicas in one heartbeat: the rest come as these are dealt with. */
const DAMAGED_MAX = 1_000;
/** All chunks are reported again so long after the last time, ms, or up to a fifth sooner. */
const REREPORT_MS = 15 * 60_000;
/** What the master may ask for between heartbeats, ms. */
const HEARTBEAT_MS = { min: 50, max: 60_000 };

export interface MasterLinkOptions {
  master: Address;
  /** Where other parts reach this chunkserver. */
  address: Address;
  incarnation: number;
  secrets: ClusterSecrets;
  /** All chunks are reported again so long after the last time, ms; absent: 15 minutes. */
  reportMs?: number;
}

export interface MasterLinkEnvironment extends Environment {
  clock: Clock;
  random: Random;
  log: Log;
  store: ChunkStore;
  scrubber: Scrubber;
  masterClock: MasterClock;
  memory: MasterMemory;
  /** Answers the master's commands. */
  handler: Handler;
  /** Counts them. */
  stats: WireStats;
}

export class MasterLink {
  /** Resolves when the master has taken the first registration and full report. */
  readonly registered: Promise<void>;
  /** Resolves with the master's words when it first says that this server was removed from the cluster. */
  readonly removed: Promise<string>;
  private readonly firstRegistration = Promise.withResolvers<void>();
  private readonly removal = Promise.withResolvers<string>();
  private connection: Connection | undefined;
  private timer: Timer | undefined;
  private reportTimer: Timer | undefined;
  private failures = 0;
  /** Why the last attempt failed. */
  private failure = "";
  private stopped = false;

  constructor(
    private readonly env: MasterLinkEnvironment,
    private readonly options: MasterLinkOptions,
  ) {
    this.registered = this.firstRegistration.promise;
    this.removed = this.removal.promise;
    void this.connect();
  }

  /** Whether the master has taken the registration and is there. */
  get connected(): boolean {
    return this.connection !== undefined && !this.connection.closed && this.failures === 0;
  }

  /** Ends the connection and makes no other. */
  close(): void {
    this.stopped = true;
    this.timer?.cancel();
    this.reportTimer?.cancel();
    this.connection?.close();
  }

  private async connect(): Promise<void> {
    try {
      const { master, secrets } = this.options;
      const { handler, stats } = this.env;
      const self = { role: "chunkserver", id: this.env.store.serverId } as const;
      const options = { limits: DATA_LIMITS, timeoutMs: CALL_TIMEOUT_MS, handler, stats };
      const connection = await dial(this.env, { address: master, role: "master" }, secrets, self, options);
      await this.introduce(connection);
    } catch (error) {
      this.connection?.close();
      this.connection = undefined;
      this.retry(error as Error);
    }
  }

  private async introduce(connection: Connection): Promise<void> {
    if (this.stopped) {
      connection.close();
      return;
    }
    this.connection = connection;
    const heartbeatMs = await this.register(connection);
    await this.report(connection);
    this.failures = 0;
    this.env.log.info("registered with the master", { master: this.options.master });
    this.firstRegistration.resolve();
    connection.onClose((error) => this.retry(error));
    this.scheduleHeartbeat(connection, heartbeatMs);
    this.scheduleReport(connection);
  }

  private async register(connection: Connection): Promise<number> {
    const { store, clock, masterClock, memory } = this.env;
    await store.health.refresh();
    const request: RegisterRequest = {
      id: store.serverId,
      address: this.options.address,
      incarnation: this.options.incarnation,
      ...store.health.space,
      diskFailed: store.health.failed,
      masterSeen: memory.furthest,
    };
    const askedAt = clock.monotonic();
    const { meta } = await connection.call(MasterOp.register, request);
    const { masterNow, heartbeatMs, reached } = meta as RegisterResponse;
    masterClock.learn(masterNow, askedAt);
    memory.meet(connection, reached);
    return Math.min(HEARTBEAT_MS.max, Math.max(HEARTBEAT_MS.min, heartbeatMs));
  }

  private async report(connection: Connection): Promise<void> {
    const handles = this.env.store.handles();
    let last = false;
    for (let from = 0; !last; from += REPORT_CHUNKS_MAX) {
      last = from + REPORT_CHUNKS_MAX >= handles.length;
      const batch = handles.slice(from, from + REPORT_CHUNKS_MAX);
      const chunks = batch.map((handle) => this.env.store.report(handle)).filter(isPresent);
      await connection.call(MasterOp.report, { chunks, last } satisfies ReportRequest);
    }
  }

  /**
   * Tells the master again and again all that is here: what it was told in the first report and by its commands may have
   * become untrue, as when a late append makes a chunk that was removed before a restart.
   */
  private scheduleReport(connection: Connection): void {
    const { clock, random } = this.env;
    const { reportMs = REREPORT_MS } = this.options;
    this.reportTimer = clock.after(reportMs * (1 - random.float() / 5), async () => {
      try {
        await connection.call(MasterOp.report, {
          begin: true,
          chunks: [],
          last: false,
        } satisfies ReportRequest);
        await this.report(connection);
        if (!connection.closed) this.scheduleReport(connection);
      } catch (error) {
        connection.close(error as Error);
      }
    });
  }

  private scheduleHeartbeat(connection: Connection, heartbeatMs: number): void {
    this.timer = this.env.clock.after(heartbeatMs, async () => {
      try {
        await this.heartbeat(connection);
        if (!connection.closed) this.scheduleHeartbeat(connection, heartbeatMs);
      } catch (error) {
        connection.close(error as Error);
      }
    });
  }

  private async heartbeat(connection: Connection): Promise<void> {
    const { store, scrubber, clock, masterClock, memory } = this.env;
    await store.health.refresh();
    const request: HeartbeatRequest = {
      ...store.health.space,
      damaged: store.damagedHandles(DAMAGED_MAX),
      diskFailed: store.health.failed,
      scrub: scrubber.progress,
      syncs: store.syncs.totals,
    };
    const askedAt = clock.monotonic();
    const { meta } = await connection.call(MasterOp.heartbeat, request);
    const { masterNow, reached } = meta as HeartbeatResponse;
    masterClock.learn(masterNow, askedAt);
    memory.hear(connection, reached);
  }

  /** Once for each reason in a row. */
  private logFailure(error: Error): void {
    if (this.failures > 1 && error.message === this.failure) return;
    this.failure = error.message;
    const { log } = this.env;
    const { master } = this.options;
    const refusal = error instanceof RemoteError ? error.code : undefined;
    const code = error instanceof ProtocolError ? error.code : undefined;
    if (refusal === undefined) log.warn("the master is away", { master, code, error: error.message });
    else log.error("the master refuses this chunkserver", { master, code: refusal, error: error.message });
  }

  /** Doubles the wait up to its maximum, and takes a random half of it so that a cluster does not come back as one. */
  private retry(error: Error): void {
    this.timer?.cancel();
    this.reportTimer?.cancel();
    if (this.stopped) return;
    const wait = Math.min(RETRY_MS_MAX, RETRY_MS_MIN * 2 ** Math.min(this.failures, 10));
    this.failures++;
    this.logFailure(error);
    // It goes on asking: an operator may take the removal back.
    if (error instanceof RemoteError && error.code === REMOVED) this.removal.resolve(error.message);
    this.timer = this.env.clock.after(wait * (0.5 + this.env.random.float() / 2), () => void this.connect());
  }
}

function isPresent(report: ChunkReport | undefined): report is ChunkReport {
  return report !== undefined;
}
