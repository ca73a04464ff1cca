// Which chunks there are and where their replicas are. The first follows the catalog, as far as it is durable; the
// second comes from what chunkservers report, never from disk.
//
// Invariants
//  D1 a replica counts only when it is exactly what the catalog says its chunk is (P8)
//  D2 a replica that does not count is never told to a reader, and never the reason to delete anything
import type { ChunkReport, Replica } from "../../chunkd/protocol/messages.ts";
import type { ChunkRow, ChunkState } from "../catalog/chunk-table.ts";
import type { Command } from "../catalog/commands.ts";
import type { ServerTable } from "./servers.ts";

const NONE: ReadonlySet<number> = new Set();

export interface KnownReplica {
  version: number;
  length: number;
  sealed: boolean;
  /** It failed a checksum: used only where there is no other. */
  damaged: boolean;
}

export interface KnownChunk {
  handle: number;
  version: number;
  state: ChunkState;
  /** Final length; 0 while open. */
  length: number;
  /** Where it was opened, primary first. */
  members: readonly string[];
  /** When it came into this state, wall clock in ms. */
  changedAt: number;
  /** By server id. */
  replicas: Map<string, KnownReplica>;
}

/** Whether `replica` holds all of the sealed `chunk`, as it should. */
export function isWhole(chunk: KnownChunk, replica: KnownReplica): boolean {
  return (
    chunk.state === "sealed" &&
    replica.sealed &&
    replica.version === chunk.version &&
    replica.length === chunk.length
  );
}

/** Whether a reader may be sent to `replica`. One that was fenced for the seal holds what its seal will. */
function isReadable(chunk: KnownChunk, id: string, replica: KnownReplica): boolean {
  if (isWhole(chunk, replica)) return true;
  if (replica.sealed) return false;
  if (chunk.state === "open") return chunk.members.includes(id);
  return chunk.state === "sealed" && replica.version === chunk.version && replica.length >= chunk.length;
}

/** What one server holds. */
interface Held {
  handles: Set<number>;
  /** The sum of the replicas' lengths. */
  bytes: number;
  /** While a full report is under way: what it held before and has not told again. */
  unconfirmed: Set<number> | undefined;
  /** The report is not the first one since it registered: what is as it was is no news. */
  isRepeated: boolean;
}

export class ChunkDirectory {
  /** Sealed chunks that may lack a replica: looked at by the repairer. */
  readonly suspects = new Set<number>();
  readonly open = new Set<number>();
  readonly deleting = new Set<number>();
  /** Handles that chunkservers are making a chunk of, before the catalog knows of it: no orphans. */
  readonly reserved = new Set<number>();
  private readonly chunks = new Map<number, KnownChunk>();
  private readonly byServer = new Map<string, Held>();
  private turn = 0;

  constructor(private readonly servers: ServerTable) {}

  get size(): number {
    return this.chunks.size;
  }

  get(handle: number): KnownChunk | undefined {
    return this.chunks.get(handle);
  }

  /** Takes a chunk over from the catalog, at start. */
  load(row: ChunkRow): void {
    const { handle, version, state, length, members, changedAt } = row;
    this.place({ handle, version, state, length, members, changedAt, replicas: new Map() });
  }

  /** Follows a command of the catalog that is durable. */
  follow(command: Command): void {
    const { at } = command;
    if (command.type === "openChunks") {
      for (const { handle, members } of command.chunks) {
        const empty = { version: 1, length: 0, sealed: false, damaged: false };
        const chunk = { handle, version: 1, state: "open" as const, length: 0, members, changedAt: at };
        this.place({ ...chunk, replicas: new Map() });
        for (const id of members) this.setReplica(handle, id, { ...empty });
      }
    } else if (command.type === "addCompacted") {
      const { handle, version, length, members } = command;
      const chunk = { handle, version, state: "sealed" as const, length, members, changedAt: at };
      this.place({ ...chunk, replicas: new Map() });
      this.reserved.delete(handle);
      for (const id of members)
        this.setReplica(handle, id, { version, length, sealed: true, damaged: false });
    } else if (command.type === "sealChunk") {
      const { version, length } = command;
      this.change(command.handle, { state: "sealed", version, length, changedAt: at });
    } else if (command.type === "deleteChunks") {
      for (const handle of command.handles) this.change(handle, { state: "deleting", changedAt: at });
    } else if (command.type === "forgetChunks") {
      for (const handle of command.handles) this.forget(handle);
    }
  }

  private change(handle: number, change: Partial<KnownChunk>): void {
    const chunk = this.chunks.get(handle);
    if (chunk) this.place(Object.assign(chunk, change));
  }

  private place(chunk: KnownChunk): void {
    const { handle, state } = chunk;
    this.chunks.set(handle, chunk);
    for (const [set, member] of [
      [this.open, state === "open"],
      [this.suspects, state === "sealed"],
      [this.deleting, state === "deleting"],
    ] as const) {
      if (member) set.add(handle);
      else set.delete(handle);
    }
  }

  private forget(handle: number): void {
    for (const id of [...(this.chunks.get(handle)?.replicas.keys() ?? [])]) this.dropReplica(handle, id);
    this.chunks.delete(handle);
    this.deleting.delete(handle);
  }

  /**
   * What server `id` says it has. A checksum that failed there counts for as long as the replica is the same. Returns
   * false for a chunk that the catalog does not know.
   */
  report(id: string, { handle, version, length, sealed }: ChunkReport): boolean {
    const before = this.chunks.get(handle)?.replicas.get(id);
    const isSame = before?.version === version && before.length === length && before.sealed === sealed;
    const held = this.held(id);
    if (isSame && held.isRepeated) {
      held.unconfirmed?.delete(handle);
      return true;
    }
    return this.setReplica(handle, id, { version, length, sealed, damaged: isSame && before.damaged });
  }

  setReplica(handle: number, id: string, replica: KnownReplica): boolean {
    const chunk = this.chunks.get(handle);
    if (!chunk) return false;
    const held = this.held(id);
    held.bytes += replica.length - (chunk.replicas.get(id)?.length ?? 0);
    held.handles.add(handle);
    held.unconfirmed?.delete(handle);
    chunk.replicas.set(id, replica);
    if (chunk.state === "sealed") this.suspects.add(handle);
    return true;
  }

  private held(id: string): Held {
    const none = { handles: new Set<number>(), bytes: 0, unconfirmed: undefined, isRepeated: false };
    const held = this.byServer.get(id) ?? none;
    this.byServer.set(id, held);
    return held;
  }

  dropReplica(handle: number, id: string): void {
    const chunk = this.chunks.get(handle);
    const held = this.byServer.get(id);
    if (held) {
      held.bytes -= chunk?.replicas.get(id)?.length ?? 0;
      held.handles.delete(handle);
      held.unconfirmed?.delete(handle);
    }
    chunk?.replicas.delete(id);
    if (chunk?.state === "sealed") this.suspects.add(handle);
  }

  /**
   * Server `id` begins a full report. What it said before is still believed, so that a connection that broke hides
   * nothing from readers and moves nothing; but until the report ends it is not usable, so nothing is removed elsewhere
   * on the strength of it (D2).
   */
  beginReport(id: string): void {
    const held = this.held(id);
    held.unconfirmed = new Set(held.handles);
    held.isRepeated = false;
  }

  /**
   * Server `id`, which has told all it has, begins to tell it again, as of a later moment than this. Only what is known
   * now and stays as it is can turn out to be missing: a replica that is made, sealed or copied meanwhile counts as told.
   * A chunk that is open may be there or not, as its writer will have it.
   */
  repeatReport(id: string): void {
    const held = this.held(id);
    held.unconfirmed = new Set([...held.handles].filter((handle) => !this.open.has(handle)));
    held.isRepeated = true;
  }

  /**
   * The report of `id` has ended: what it did not tell again is not there. Returns how much of that it once had told; what it
   * can only confess comes again with its next heartbeat.
   */
  endReport(id: string): number {
    const held = this.held(id);
    const missing = held.unconfirmed ?? new Set();
    held.unconfirmed = undefined;
    held.isRepeated = false;
    let lost = 0;
    for (const handle of missing) {
      if ((this.chunks.get(handle)?.replicas.get(id)?.version ?? 0) > 0) lost++;
      this.dropReplica(handle, id);
    }
    return lost;
  }

  /** The chunks of `id` may have too few replicas now, or too many. */
  suspect(id: string): void {
    for (const handle of this.handlesOn(id)) {
      if (this.chunks.get(handle)?.state === "sealed") this.suspects.add(handle);
    }
  }

  /** Server `id` itself says that its replica is damaged; one that it cannot even report is noted as useless. */
  confessDamage(handle: number, id: string): void {
    const chunk = this.chunks.get(handle);
    if (chunk && !chunk.replicas.has(id)) {
      this.setReplica(handle, id, { version: 0, length: 0, sealed: false, damaged: true });
    }
    this.markDamaged(handle, id);
  }

  markDamaged(handle: number, id: string): void {
    const chunk = this.chunks.get(handle);
    const replica = chunk?.replicas.get(id);
    if (!chunk || !replica) return;
    replica.damaged = true;
    if (chunk.state === "sealed") this.suspects.add(handle);
  }

  chunksOn(id: string): number {
    return this.byServer.get(id)?.handles.size ?? 0;
  }

  /** Handles of the chunks that `id` has replicas of; it changes with them. */
  handlesOn(id: string): ReadonlySet<number> {
    return this.byServer.get(id)?.handles ?? NONE;
  }

  /** The sum of the lengths of the replicas on `id`. */
  bytesOn(id: string): number {
    return this.byServer.get(id)?.bytes ?? 0;
  }

  get sealedCount(): number {
    return this.chunks.size - this.open.size - this.deleting.size;
  }

  /**
   * Where a reader finds the chunk, at live servers: an open chunk's primary first, otherwise a different one each
   * time; damaged replicas last. Empty when nobody has it now.
   */
  locations(handle: number): Replica[] {
    const chunk = this.chunks.get(handle);
    if (!chunk || chunk.state === "deleting") return [];
    const sound: Replica[] = [];
    const damaged: Replica[] = [];
    const order = chunk.state === "open" ? chunk.members : chunk.replicas.keys();
    for (const id of order) {
      const replica = chunk.replicas.get(id);
      const server = this.servers.get(id);
      if (!server || !this.servers.isLive(server)) continue;
      // A member of an open chunk may have made its replica since it last reported: only it can tell.
      if (replica ? !isReadable(chunk, id, replica) : chunk.state !== "open") continue;
      (replica?.damaged || server.diskFailed ? damaged : sound).push({ id, address: server.address });
    }
    if (chunk.state !== "open" && sound.length > 1) {
      const first = this.turn++ % sound.length;
      return [...sound.slice(first), ...sound.slice(0, first), ...damaged];
    }
    return [...sound, ...damaged];
  }
}
