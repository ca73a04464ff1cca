// The chunks in one directory: who they are, and every change to them but the appends (chunk-log.ts).
//
// S1  A sealed chunk's records never change. A seal is written again only to carry a higher version.
// S2  A chunk takes appends only if it was made since start, is not fenced above the append's version, and not sealed.
// S3  Changes of one chunk (fence, seal, replace, remove) run one after another, each after the writes under way.
import type { Clock } from "../../std/clock.ts";
import type { Disk, DiskFile, DiskLock } from "../../std/disk.ts";
import type { Log } from "../../std/log.ts";
import type { ChunkReport, ChunkStat, FenceResponse } from "../protocol/messages.ts";
import { CHUNK_HEADER_SIZE, SEAL_SIZE } from "../protocol/record.ts";
import { chunkStat, fenceResponse, isForeign, type StoredChunk, storedChunk } from "./chunk.ts";
import type { ChunkFiles, FillCopy } from "./chunk-files.ts";
import { ChunkLog, type LogFile } from "./chunk-log.ts";
import { type DiskHealth, isBusy } from "./disk-health.ts";
import { ChunkError, systemCode } from "./errors.ts";
import { isCopyName, isKeptName, parseChunkName } from "./names.ts";
import { walkRecords } from "./record-walk.ts";
import type { Recovered } from "./recovery.ts";
import type { SyncMeter } from "./sync-meter.ts";

/** Fences of chunks that are not here, kept so that a late append does not make them; the oldest give way. */
const FENCES_MAX = 65_536;
/** Removals, kept so that a copy that was asked for before does not bring the chunk back; the oldest give way. */
const REMOVALS_MAX = 65_536;
const VERSION_MAX = 0xffff_ffff;

export interface StoreEnvironment {
  clock: Clock;
  disk: Disk;
  log: Log;
}

interface OpenedDirectory {
  serverId: string;
  health: DiskHealth;
  files: ChunkFiles;
  lock: DiskLock;
}

export class ChunkStore {
  readonly serverId: string;
  readonly health: DiskHealth;
  private readonly files: ChunkFiles;
  /** Replicas that failed a checksum and are not replaced or removed yet; `behind`: only behind their length. */
  private readonly damaged: Map<number, "inside" | "behind">;
  /** Replicas that were found damaged while this runs, replaced since or not. */
  damagedEver = 0;
  /** In order of arrival. */
  private readonly fences = new Map<number, number>();
  /** Chunks that are about to go: a report must not name what is gone by the time the master believes it. */
  private readonly removing = new Set<number>();
  /** The last change of each chunk that has one under way. */
  private readonly changes = new Map<number, Promise<unknown>>();
  /** The count of removals when each of these handles was last removed. In order of removal. */
  private readonly removals = new Map<number, number>();
  private removalCount = 0;
  private readonly chunks: Map<number, StoredChunk>;

  /** Use openChunkStore. */
  constructor(
    private readonly env: StoreEnvironment,
    private readonly opened: OpenedDirectory,
    recovered: Recovered,
  ) {
    this.chunks = recovered.chunks;
    this.damaged = recovered.damaged;
    this.serverId = opened.serverId;
    this.health = opened.health;
    this.files = opened.files;
  }

  has(handle: number): boolean {
    return this.chunks.has(handle);
  }

  handles(): number[] {
    return [...this.chunks.keys()];
  }

  /** The replica, whatever its state; undefined when there is none. */
  get(handle: number): StoredChunk | undefined {
    return this.chunks.get(handle);
  }

  isDamaged(handle: number): boolean {
    return this.damaged.has(handle);
  }

  /** Whether the chunk is being sealed, replaced or removed right now. */
  isChanging(handle: number): boolean {
    return this.changes.has(handle);
  }

  /** The group commits of appends. */
  get syncs(): SyncMeter {
    return this.files.syncs;
  }

  /** Names in the directory of the chunk files that are neither ours nor known: they appeared after the start. */
  async strangers(): Promise<string[]> {
    const names = await this.files.names();
    return names.filter((name) => {
      const handle = parseChunkName(name);
      return handle === undefined ? !isCopyName(name) && !isKeptName(name) : !this.chunks.has(handle);
    });
  }

  /** What is wrong with the header of the chunk's file; null when nothing is. */
  headerInvalid(header: Buffer, handle: number): string | null {
    return this.files.headerInvalid(header, handle);
  }

  /** Throws `NO_SUCH_CHUNK`, or `CHECKSUM` for a file that is not this chunk's. */
  find(handle: number): StoredChunk {
    const chunk = this.chunks.get(handle);
    if (!chunk) throw new ChunkError("NO_SUCH_CHUNK", `chunk ${handle} is not here`);
    if (chunk.unreadable) {
      throw new ChunkError("CHECKSUM", `the file of chunk ${handle} is damaged (${chunk.unreadable})`);
    }
    return chunk;
  }

  /** Whoever uses the chunk's file next opens it by its name again: one that was deleted under us is then noticed. */
  reopen(handle: number): Promise<void> {
    return this.files.reopen(handle);
  }

  /**
   * Runs `run` with the chunk's file open for reading. A file that cannot be read is as bad as one with wrong bytes: the
   * replica is marked and `CHECKSUM` thrown. A process out of descriptors says nothing of it: `OVERLOADED`.
   */
  async reading<T>(chunk: StoredChunk, run: (file: DiskFile) => Promise<T>): Promise<T> {
    const { handle } = chunk;
    try {
      return await this.files.reading(handle, run);
    } catch (error) {
      const code = systemCode(error);
      if (error instanceof ChunkError || code === undefined) throw error;
      if (isBusy(code)) {
        throw new ChunkError("OVERLOADED", `this chunkserver is out of resources (${code})`);
      }
      if (this.chunks.get(handle) !== chunk) {
        throw new ChunkError("NO_SUCH_CHUNK", `chunk ${handle} was removed or replaced`);
      }
      this.health.readFailed(handle, code);
      this.markDamaged(chunk, code);
      throw new ChunkError("CHECKSUM", `chunk ${handle} cannot be read (${code}); ask another replica`);
    }
  }

  /** Somebody else found the replica damaged, if there is one. */
  doubt(handle: number): void {
    const chunk = this.chunks.get(handle);
    if (chunk) this.markDamaged(chunk, "a checksum failed elsewhere");
  }

  /** What the master is told of a chunk; undefined when it is gone, about to go, or not served. */
  report(handle: number): ChunkReport | undefined {
    const chunk = this.chunks.get(handle);
    if (!chunk || chunk.unreadable || this.removing.has(handle)) return undefined;
    return { handle, ...chunkStat(chunk) };
  }

  /** Stored bytes failed their checksum, or could not be read. */
  markDamaged(chunk: StoredChunk, why: string): void {
    if (this.chunks.get(chunk.handle) !== chunk || this.damaged.get(chunk.handle) === "inside") return;
    this.damaged.set(chunk.handle, "inside");
    this.damagedEver++;
    this.env.log.error("a replica is damaged", { handle: chunk.handle, why });
  }

  /** Handles of damaged replicas, at most `max`. */
  damagedHandles(max: number): number[] {
    return [...this.damaged.keys()].slice(0, max);
  }

  /**
   * The chunk that an append of `version` goes to; made when it is unknown. Throws `STALE_VERSION` when it is fenced
   * above `version`, `NOT_OPEN` when it takes no more appends (S2).
   */
  appendable(handle: number, version: number): { chunk: StoredChunk; log: ChunkLog } {
    const fence = this.chunks.get(handle)?.version ?? this.fences.get(handle) ?? 0;
    if (version < fence) {
      const why = `chunk ${handle} is at version ${fence}: the lease of ${version} is over`;
      throw new ChunkError("STALE_VERSION", why);
    }
    const chunk = this.chunks.get(handle) ?? this.create(handle, version);
    const { log } = chunk;
    if (!log?.open) throw notOpen(handle);
    chunk.version = version;
    return { chunk, log };
  }

  private create(handle: number, version: number): StoredChunk {
    this.health.assertWritable();
    const chunk = storedChunk(handle, version, CHUNK_HEADER_SIZE, false);
    const file = this.files.logFile(handle);
    const create = async (): Promise<void> => {
      try {
        await file.create();
      } catch (error) {
        this.chunks.delete(handle);
        throw error;
      }
    };
    const append: LogFile["append"] = async (parts, position) => {
      try {
        await file.append(parts, position);
      } catch (error) {
        if ((error as ChunkError).code === "CHECKSUM") this.markDamaged(chunk, "the file has vanished");
        throw error;
      }
    };
    chunk.log = new ChunkLog(chunk, { ...file, create, append });
    this.chunks.set(handle, chunk);
    return chunk;
  }

  /** Refuses appends below `version` from now on; answers what is on disk once all writes under way have ended. */
  fence(handle: number, version: number): Promise<FenceResponse> {
    const chunk = this.chunks.get(handle);
    if (!chunk) this.rememberFence(handle, version);
    // At once, not in turn: an append that arrives behind the fence must find it. A sealed chunk keeps its seal's version.
    else if (!chunk.sealed) chunk.version = Math.max(chunk.version, version);
    return this.change(handle, async () => {
      const fenced = this.find(handle);
      await fenced.log?.drained();
      const response = fenceResponse(fenced);
      return this.health.failed ? { ...response, diskFailed: true } : response;
    });
  }

  private rememberFence(handle: number, version: number): void {
    this.fences.set(handle, Math.max(version, this.fences.get(handle) ?? 0));
    if (this.fences.size > FENCES_MAX) this.fences.delete(this.fences.keys().next().value!);
  }

  /** No more appends to the chunk; those under way go on. */
  stopAppends(handle: number): void {
    this.chunks.get(handle)?.log?.close(notOpen(handle));
  }

  private async endAppends(chunk: StoredChunk): Promise<void> {
    chunk.log?.close(notOpen(chunk.handle));
    await chunk.log?.drained();
  }

  /**
   * Cuts the chunk to `length` and seals it. Idempotent. Throws `STALE_VERSION` below the chunk's version,
   * `OUT_OF_RANGE` when it has less, or is sealed at another length, `BAD_REQUEST` when `length` is no border.
   */
  seal(handle: number, version: number, length: number): Promise<ChunkStat> {
    return this.change(handle, async () => {
      const chunk = this.find(handle);
      refuseOlder(chunk, version);
      this.health.assertWritable();
      await this.endAppends(chunk);
      if (chunk.sealed && chunk.length === length && chunk.version === version) return chunkStat(chunk);
      await this.checkBorder(chunk, length);
      await this.writeSeal(chunk, version, length);
      return chunkStat(chunk);
    });
  }

  private async checkBorder(chunk: StoredChunk, length: number): Promise<void> {
    const { handle } = chunk;
    if (length > chunk.length || (chunk.sealed && length !== chunk.length)) {
      const state = chunk.sealed ? "sealed at" : "durable up to";
      const why = `chunk ${handle} is ${state} ${chunk.length}, it cannot end at ${length}`;
      throw new ChunkError("OUT_OF_RANGE", why);
    }
    if (length === chunk.length) return;
    const walk = await this.reading(chunk, (file) => walkRecords(file, handle, length, { payloads: false }));
    if (walk.length !== length)
      throw new ChunkError("BAD_REQUEST", `chunk ${handle} has no border at ${length}`);
  }

  private async writeSeal(chunk: StoredChunk, version: number, length: number): Promise<void> {
    const { handle, committed } = chunk;
    if (length < committed) {
      this.env.log.error("sealed short of what had its quorum", { handle, length, committed });
    }
    // Readers stop at the new end before the bytes behind it go.
    chunk.length = length;
    chunk.version = version;
    chunk.log = undefined;
    chunk.salvaged = 0;
    chunk.tail = 0;
    try {
      await this.files.seal(handle, version, length);
    } catch (error) {
      if ((error as ChunkError).code === "CHECKSUM") this.markDamaged(chunk, "the file has vanished");
      throw error;
    }
    chunk.sealed = true;
    // What was wrong behind the length has been cut off.
    if (this.damaged.get(handle) === "behind") this.damaged.delete(handle);
  }

  /** A moment in the order of removals: see {@link replace}. */
  removalMark(): number {
    return this.removalCount;
  }

  /**
   * Puts a verified copy in the place of what is here. `fill` writes the file's bytes: `length` and a seal.
   * Idempotent: nothing is fetched when the chunk is here and whole. Throws `NO_SUCH_CHUNK`, and leaves nothing, when
   * the chunk is removed after `mark` was taken.
   */
  replace(
    { handle, version, length }: { handle: number; version: number; length: number },
    fill: FillCopy,
    mark = this.removalCount,
  ): Promise<ChunkStat> {
    const assertWanted = (): void => {
      if ((this.removals.get(handle) ?? 0) <= mark) return;
      throw new ChunkError("NO_SUCH_CHUNK", `chunk ${handle} was removed while it was being copied`);
    };
    return this.change(handle, async () => {
      assertWanted();
      const present = this.chunks.get(handle);
      if (present) refuseOlder(present, version);
      if (present && this.isWhole(present, version, length)) return chunkStat(present);
      this.health.claim(length + SEAL_SIZE);
      const fillWhileWanted: FillCopy = (write) =>
        fill((bytes, position) => {
          assertWanted();
          return write(bytes, position);
        });
      await this.files.replace({ handle, version, length }, fillWhileWanted, async () => {
        if (present) await this.endAppends(present);
        return { keepOld: present !== undefined && isForeign(present) };
      });
      const chunk = storedChunk(handle, version, length, true);
      this.chunks.set(handle, chunk);
      this.damaged.delete(handle);
      return chunkStat(chunk);
    });
  }

  private isWhole(chunk: StoredChunk, version: number, length: number): boolean {
    const { handle, sealed } = chunk;
    return sealed && chunk.version === version && chunk.length === length && !this.damaged.has(handle);
  }

  /** Deletes the chunk, name and all. Idempotent. A late append does not make it again. */
  remove(handle: number): Promise<void> {
    this.removing.add(handle);
    this.rememberRemoval(handle);
    return this.change(handle, async () => {
      this.rememberFence(handle, VERSION_MAX);
      const chunk = this.chunks.get(handle);
      if (!chunk) return;
      await this.endAppends(chunk);
      await this.files.remove(handle, { keep: isForeign(chunk) });
      this.chunks.delete(handle);
      this.damaged.delete(handle);
    }).finally(() => this.removing.delete(handle));
  }

  private rememberRemoval(handle: number): void {
    this.removals.delete(handle);
    this.removals.set(handle, ++this.removalCount);
    if (this.removals.size > REMOVALS_MAX) this.removals.delete(this.removals.keys().next().value!);
  }

  /** Ends all writes, closes the files and gives the directory up. */
  async close(): Promise<void> {
    await Promise.allSettled(this.changes.values());
    for (const chunk of this.chunks.values()) await this.endAppends(chunk);
    await this.files.closeAll();
    await this.health.settled();
    await this.opened.lock.release();
  }

  /** Runs `run` after the chunk's earlier changes (S3). */
  private change<T>(handle: number, run: () => Promise<T>): Promise<T> {
    const before = this.changes.get(handle) ?? Promise.resolve();
    const mine = before.then(run, run);
    this.changes.set(handle, mine);
    const forget = (): void => {
      if (this.changes.get(handle) === mine) this.changes.delete(handle);
    };
    mine.then(forget, forget);
    return mine;
  }
}

function notOpen(handle: number): ChunkError {
  return new ChunkError("NOT_OPEN", `chunk ${handle} takes no more appends: use a fresh chunk`);
}

function refuseOlder(chunk: StoredChunk, version: number): void {
  if (version < chunk.version) {
    throw new ChunkError("STALE_VERSION", `chunk ${chunk.handle} is at version ${chunk.version}`);
  }
}
