// The chunkservers: where they are, how full, when they were last heard of, and what the operator wants of them.
// The last, and which ones there are at all, is in the catalog; the rest is what they say since the master started.
import type { Connection } from "../../chunkd/protocol/connection.ts";
import { ProtocolError } from "../../chunkd/protocol/errors.ts";
import type { HeartbeatRequest, LeasedReplica, Replica } from "../../chunkd/protocol/messages.ts";
import type { Clock } from "../../std/clock.ts";
import type { Command } from "../catalog/commands.ts";
import type { ServerState } from "../protocol/messages.ts";
import { MasterError } from "../store/errors.ts";

export const HEARTBEAT_MS = 1_000;
/** Silent for longer: no new chunks there. */
const LIVE_MS = 5_000;
/** Silent for longer: its replicas no longer count. A restart or a switch that reboots takes less. */
export const GONE_MS = 30_000;
/** For what a chunkserver does at once: fence, seal, remove. */
const CALL_TIMEOUT_MS = 5_000;

export interface Server {
  id: string;
  address: string;
  incarnation: number;
  totalBytes: number;
  freeBytes: number;
  /** Its disk failed: it reads what it can, and holds nothing that counts. */
  diskFailed: boolean;
  connection: Connection;
  /** Monotonic, ms. */
  lastHeardMs: number;
  /** The full report that follows a registration has ended: what is not in it is not there. */
  reported: boolean;
  /** It is telling all it has again. */
  isRepeating: boolean;
  /** Its last heartbeat: progress of its scrub, its disk's syncs. */
  beat: HeartbeatRequest | undefined;
}

export class ServerTable {
  private readonly byId = new Map<string, Server>();
  /** Every server of the catalog, whether it has registered since the start or not. */
  private readonly states = new Map<string, ServerState>();
  private readonly startedAtMs: number;
  private silencedBy: string | undefined;

  constructor(
    private readonly clock: Clock,
    private readonly goneMs = GONE_MS,
  ) {
    this.startedAtMs = clock.monotonic();
  }

  /** Takes a server over from the catalog, at start. */
  load(id: string, state: ServerState): void {
    this.states.set(id, state);
  }

  /** Follows a command of the catalog that is durable. */
  follow(command: Command): void {
    if (command.type === "setServerState") this.states.set(command.server, command.state);
    if (command.type === "addServer") this.note(command.server);
    if (command.type === "openChunks") {
      for (const { members } of command.chunks) for (const id of members) this.note(id);
    }
  }

  private note(id: string): void {
    if (!this.states.has(id)) this.states.set(id, "active");
  }

  /** Whether the catalog knows `id`. */
  isKnown(id: string): boolean {
    return this.states.has(id);
  }

  /** Whether any is in the catalog that was not removed. */
  get knowsAny(): boolean {
    return [...this.states.values()].some((state) => state !== "removed");
  }

  state(id: string): ServerState {
    return this.states.get(id) ?? "active";
  }

  /** Ids of all servers that there are, registered or not, those that were removed as well. */
  ids(): string[] {
    return [...new Set([...this.states.keys(), ...this.byId.keys()])];
  }

  get(id: string): Server | undefined {
    return this.byId.get(id);
  }

  all(): Iterable<Server> {
    return this.byId.values();
  }

  /** A server came (again); an older connection of the same id is closed. */
  register(
    server: Pick<Server, "id" | "address" | "incarnation" | "totalBytes" | "freeBytes" | "connection"> & {
      diskFailed?: boolean;
    },
  ): Server {
    const before = this.byId.get(server.id);
    if (before && before.connection !== server.connection) {
      before.connection.close(new ProtocolError("DISCONNECTED", `${server.id} registered again`));
    }
    const { id, address, incarnation, totalBytes, freeBytes, connection, diskFailed = false } = server;
    const space = { totalBytes, freeBytes };
    const news = {
      diskFailed,
      reported: false,
      isRepeating: false,
      lastHeardMs: this.clock.monotonic(),
      beat: undefined,
    };
    const entry = { id, address, incarnation, ...space, connection, ...news };
    this.byId.set(server.id, entry);
    return entry;
  }

  heard(server: Server): void {
    server.lastHeardMs = this.clock.monotonic();
  }

  isLive(server: Server): boolean {
    return !server.connection.closed && this.clock.monotonic() - server.lastHeardMs <= LIVE_MS;
  }

  live(): Server[] {
    return [...this.byId.values()].filter((server) => this.isLive(server));
  }

  /** Whether `id` answers, its disk works, and it has told all it has. */
  isUsable(id: string): boolean {
    const server = this.byId.get(id);
    return server !== undefined && this.isLive(server) && server.reported && !server.diskFailed;
  }

  /** Whether `id` may be given replicas now. */
  takesReplicas(id: string): boolean {
    return this.isUsable(id) && this.state(id) === "active";
  }

  /** Whether the operator wants `id` to have no replicas. */
  isLeaving(id: string): boolean {
    return this.state(id) !== "active";
  }

  /** Whether `id` has been silent for so long that its replicas are taken for lost, or was removed. */
  isGone(id: string): boolean {
    if (this.state(id) === "removed") return true;
    const lastHeardMs = this.byId.get(id)?.lastHeardMs ?? this.startedAtMs;
    return this.clock.monotonic() - lastHeardMs > this.goneMs;
  }

  /**
   * More than half away at once is a network or a power failure: repairing then would only add to it (F29). Those that
   * are merely silent count too, since of many that vanish together one is the first to be silent for long enough; and
   * so do those that the catalog knows and that have not come since the master started.
   */
  massLoss(): boolean {
    let away = 0;
    let all = 0;
    for (const id of this.ids()) {
      if (this.state(id) === "removed") continue;
      const server = this.byId.get(id);
      all++;
      if (!server || !this.isLive(server)) away++;
    }
    return away * 2 > all;
  }

  /** From now on no chunkserver is asked for anything: `why` is what the callers are told. */
  silence(why: string): void {
    this.silencedBy = why;
  }

  get silenced(): boolean {
    return this.silencedBy !== undefined;
  }

  silentMs(server: Server): number {
    return this.clock.monotonic() - server.lastHeardMs;
  }

  replica(id: string): Replica | undefined {
    const server = this.byId.get(id);
    return server && { id, address: server.address };
  }

  /** As a lease names it. */
  leased(id: string): LeasedReplica | undefined {
    const server = this.byId.get(id);
    return server && { id, address: server.address, incarnation: server.incarnation };
  }

  /**
   * Calls the chunkserver `id` over its own connection. Rejects with `DISCONNECTED` when it is not there, `NOT_READY`
   * once this master must not command anybody.
   */
  async call(id: string, opcode: number, meta: unknown, timeoutMs = CALL_TIMEOUT_MS): Promise<unknown> {
    return (await this.exchange(id, opcode, meta, undefined, timeoutMs)).meta;
  }

  /** As {@link call}, with a body each way. */
  async exchange(
    id: string,
    opcode: number,
    meta: unknown,
    body: Uint8Array | undefined,
    timeoutMs: number,
  ): Promise<{ meta: unknown; body: Buffer }> {
    if (this.silencedBy !== undefined) throw new MasterError("NOT_READY", this.silencedBy);
    const server = this.byId.get(id);
    if (!server || server.connection.closed) {
      throw new ProtocolError("DISCONNECTED", `the chunkserver ${id} is not connected`);
    }
    return server.connection.call(opcode, meta, body, timeoutMs);
  }
}
