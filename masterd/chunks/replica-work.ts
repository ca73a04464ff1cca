// Copies, seals and removals of replicas that are under way, whoever asked for them, and how much they were.
import { ProtocolError, RemoteError } from "../../chunkd/protocol/errors.ts";
import {
  ChunkOp,
  COPY_SOURCES_MAX,
  type CopyRequest,
  type Replica,
  type SealRequest,
} from "../../chunkd/protocol/messages.ts";
import { isWhole, type KnownChunk } from "./directory.ts";
import type { ChunkParts } from "./parts.ts";
import type { RepairAction } from "./repair-plan.ts";

/** A copy reads, sends and writes up to 64 MiB, beside the users' own load. */
export const COPIES_PER_SERVER_MAX = 2;
export const COPIES_MAX = 16;
/** Seals and removals, which cost a chunkserver little. */
const SMALL_WORK_MAX = 32;
const COPY_TIMEOUT_MS = 120_000;
/** The present rate of copying is that of so long. */
const RECENT_MS = 20_000;

interface Work {
  action: RepairAction;
  length: number;
  abandon(error: Error): void;
  done: Promise<void>;
}

export class ReplicaWork {
  /** What copies have brought so far, bytes, since the master started. */
  copiedBytes = 0;
  private readonly recent: { atMs: number; bytes: number }[] = [];
  private readonly active = new Map<number, Work>();

  constructor(private readonly parts: ChunkParts) {}

  isActive(handle: number): boolean {
    return this.active.has(handle);
  }

  /** What copies have brought lately, bytes per second. */
  get bytesPerSecond(): number {
    this.forgetOld();
    const bytes = this.recent.reduce((sum, copy) => sum + copy.bytes, 0);
    return Math.round(bytes / (RECENT_MS / 1000));
  }

  private noteCopied(bytes: number): void {
    this.copiedBytes += bytes;
    this.recent.push({ atMs: this.parts.clock.monotonic(), bytes });
    this.forgetOld();
  }

  private forgetOld(): void {
    const oldest = this.parts.clock.monotonic() - RECENT_MS;
    const kept = this.recent.findIndex(({ atMs }) => atMs > oldest);
    this.recent.splice(0, kept < 0 ? this.recent.length : kept);
  }

  /** Copies under way. */
  get activeCopies(): number {
    return this.copiesWhere(() => true);
  }

  copiesFrom(id: string): number {
    return this.copiesWhere((action) => action.source === id);
  }

  copiesTo(id: string): number {
    return this.copiesWhere((action) => action.target === id);
  }

  /** Bytes that copies under way will add to `id`. */
  bytesComingTo(id: string): number {
    let bytes = 0;
    for (const { action, length } of this.active.values()) {
      if (action.kind === "copy" && action.target === id) bytes += length;
    }
    return bytes;
  }

  private copiesWhere(holds: (action: RepairAction & { kind: "copy" }) => boolean): number {
    let count = 0;
    for (const { action } of this.active.values()) if (action.kind === "copy" && holds(action)) count++;
    return count;
  }

  /** Whether there is room for `action` beside what is under way, on its servers and altogether. */
  hasRoomFor(action: RepairAction): boolean {
    if (action.kind !== "copy") return this.active.size - this.activeCopies < SMALL_WORK_MAX;
    return (
      this.activeCopies < COPIES_MAX &&
      this.copiesFrom(action.source) < COPIES_PER_SERVER_MAX &&
      this.copiesTo(action.target) < COPIES_PER_SERVER_MAX
    );
  }

  /** Does it, one thing at a time for each chunk. Rejects with the chunkserver's error, or when it stops answering. */
  async perform(chunk: KnownChunk, action: RepairAction): Promise<void> {
    const { promise: abandoned, reject: abandon } = Promise.withResolvers<never>();
    abandoned.catch(() => {}); // whether it is abandoned or not
    const running = this.run(chunk, action);
    running.catch(() => {}); // it may end after it was abandoned
    const done = Promise.race([running, abandoned]).finally(() => this.active.delete(chunk.handle));
    this.active.set(chunk.handle, { action, length: chunk.length, abandon, done });
    await done;
  }

  private async run(chunk: KnownChunk, action: RepairAction): Promise<void> {
    const { servers, directory, log } = this.parts;
    const { handle, version, length } = chunk;
    const { target } = action;
    if (action.kind === "remove") return this.remove(chunk, target);
    if (action.kind === "seal") {
      const request: SealRequest = { handle, version, length };
      await servers.call(target, ChunkOp.seal, request);
    } else {
      const request: CopyRequest = { handle, version, length, sources: this.sources(chunk, action.source) };
      if (chunk.replicas.get(target)?.damaged) request.damaged = true;
      await servers.call(target, ChunkOp.copy, request, COPY_TIMEOUT_MS);
      this.noteCopied(length);
      log.info("made a replica", { handle, from: action.source, to: target });
    }
    // A reader may have found it damaged meanwhile, and a seal makes nothing whole, as a copy does.
    const damaged = action.kind === "seal" && (chunk.replicas.get(target)?.damaged ?? false);
    directory.setReplica(handle, target, { version, length, sealed: true, damaged });
  }

  /** `first`, and behind it the others that may have what that one lacks: damaged, but of the whole length. */
  private sources(chunk: KnownChunk, first: string): Replica[] {
    const { servers } = this.parts;
    const others = [...chunk.replicas].filter(([id, replica]) => id !== first && isWhole(chunk, replica));
    const live = others.map(([id]) => servers.get(id)).filter((server) => server && servers.isLive(server));
    const sources = [first, ...live.map((server) => server!.id)].slice(0, COPY_SOURCES_MAX);
    const replicas = sources.map((id) => servers.replica(id));
    if (!replicas[0]) throw new ProtocolError("DISCONNECTED", `${first} is not there`);
    return replicas.filter((replica) => replica !== undefined);
  }

  /**
   * From the moment that it is asked for the replica counts no more: where no answer comes it may be gone, and nothing
   * else may be removed on the strength of it. If it is still there, the server's next report says so.
   */
  private async remove(chunk: KnownChunk, target: string): Promise<void> {
    const { servers, directory } = this.parts;
    const { handle } = chunk;
    const before = chunk.replicas.get(target);
    directory.dropReplica(handle, target);
    try {
      await servers.call(target, ChunkOp.remove, { handle });
    } catch (error) {
      if (error instanceof RemoteError && before) directory.setReplica(handle, target, before);
      throw error;
    }
  }

  /** Gives up what waits for a server that has fallen silent: its place is taken by other work. */
  abandonStalled(isLive: (id: string) => boolean): void {
    for (const { action, abandon } of this.active.values()) {
      const needed = action.kind === "copy" ? [action.source, action.target] : [action.target];
      const silent = needed.find((id) => !isLive(id));
      if (silent) abandon(new ProtocolError("DISCONNECTED", `${silent} does not answer`));
    }
  }

  async close(): Promise<void> {
    await Promise.allSettled([...this.active.values()].map(({ done }) => done));
  }
}
