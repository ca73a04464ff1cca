// What the disk under a chunkserver can still do. Space comes back by itself; a failed write or sync is final, because
// the kernel drops the dirty pages of a failed fsync and reports success to the next one (chunkd/FORMAT.md, "Quarantine").
import { InvariantError } from "../../std/assert.ts";
import type { Clock } from "../../std/clock.ts";
import type { Disk } from "../../std/disk.ts";
import type { Log } from "../../std/log.ts";
import { ChunkError, systemCode } from "./errors.ts";
import { isQuarantined, markQuarantined } from "./quarantine.ts";

/** How old the figure of free space may be, ms. */
const SPACE_AGE_MAX_MS = 1_000;
/** Kept free so that seals, deletions and other users of the file system go on: this share, and no more than that. */
const RESERVE_SHARE = 0.05;
const RESERVE_MAX = 256 << 20;
/** The figure is asked for again after claims of this share of the reserve: other chunkservers may fill the same disk. */
const RESERVE_CLAIM_SHARE = 1 / 8;

const FULL = new Set(["ENOSPC", "EDQUOT"]);
/** The process has no descriptor or memory to spare: says nothing about the disk. */
const BUSY = new Set(["EMFILE", "ENFILE", "ENOMEM"]);
/** A file or directory that is not ours has a name that we need: says nothing about the disk either. */
const IN_THE_WAY = new Set(["EEXIST", "EISDIR", "ENOTDIR", "ENOTEMPTY", "ELOOP", "ERR_FS_EISDIR"]);
/** A read that fails so is the medium's or the file system's fault. */
const MEDIUM = new Set(["EIO", "ENXIO", "ENODEV", "EBADMSG", "EUCLEAN"]);
/** Chunks that could not be read: one is a bad sector, so many a disk that is dying. */
const READ_FAILED_CHUNKS_MAX = 8;

/** Whether a failed file operation, by its code, says nothing about the file or the disk. */
export function isBusy(code: string | undefined): boolean {
  return code !== undefined && BUSY.has(code);
}

export class DiskHealth {
  /** Set for good by the first failed write or sync: from then on reads only. */
  failed = false;
  private readonly readFailedChunks = new Set<number>();
  private marking: Promise<void> = Promise.resolve();
  private total = 0;
  private free = 0;
  private checkedAt = Number.NEGATIVE_INFINITY;
  /** Bytes claimed since then. */
  private claimed = 0;
  private checking: Promise<void> | undefined;

  constructor(
    private readonly disk: Disk,
    private readonly directory: string,
    private readonly clock: Clock,
    private readonly log: Log,
  ) {}

  /** Fails the disk for good when it was marked so before this process. */
  async recall(): Promise<void> {
    this.failed = await isQuarantined(this.disk, this.directory, this.log);
  }

  /** Resolves when a failure that was noticed so far is marked on the disk, or that was in vain. */
  settled(): Promise<void> {
    return this.marking;
  }

  /** Bytes in all, and bytes that chunks may still take. */
  get space(): { totalBytes: number; freeBytes: number } {
    return { totalBytes: this.total, freeBytes: Math.max(0, this.free - this.reserve) };
  }

  private get reserve(): number {
    return Math.min(RESERVE_MAX, Math.floor(this.total * RESERVE_SHARE));
  }

  /** Throws `DISK_FAILED` or `NO_SPACE` unless `size` more bytes may be written. */
  claim(size: number): void {
    this.assertWritable();
    const isOld = this.clock.monotonic() - this.checkedAt > SPACE_AGE_MAX_MS;
    if (isOld || this.claimed > this.reserve * RESERVE_CLAIM_SHARE) void this.refresh();
    if (this.space.freeBytes < size) {
      throw new ChunkError("NO_SPACE", `the disk of ${this.directory} is full: delete objects or add a disk`);
    }
    this.free -= size;
    this.claimed += size;
  }

  /** Throws `DISK_FAILED` once the disk has failed. */
  assertWritable(): void {
    if (this.failed) {
      throw new ChunkError(
        "DISK_FAILED",
        `the disk of ${this.directory} failed and is read-only here: replace it`,
      );
    }
  }

  /** Asks the file system how much is free. Callers at the same time share one question. */
  refresh(): Promise<void> {
    this.checking ??= this.check().finally(() => {
      this.checking = undefined;
    });
    return this.checking;
  }

  private async check(): Promise<void> {
    this.checkedAt = this.clock.monotonic();
    this.claimed = 0;
    try {
      const { total, free } = await this.disk.space(this.directory);
      this.total = total;
      this.free = free;
    } catch (error) {
      this.log.warn("free space is unknown", { directory: this.directory, error: (error as Error).message });
    }
  }

  /** Runs a write, sync, rename or removal; its failure is told as by {@link writeFailed}. */
  async write<T>(run: () => Promise<T>): Promise<T> {
    this.assertWritable();
    try {
      return await run();
    } catch (error) {
      throw this.writeFailed(error);
    }
  }

  /** What the caller of a failed write or sync is told. Quarantines the disk unless it was only full. */
  writeFailed(error: unknown): ChunkError {
    if (error instanceof InvariantError) throw error;
    if (error instanceof ChunkError) return error;
    const code = systemCode(error) ?? "unknown";
    if (FULL.has(code)) {
      this.free = 0;
      this.checkedAt = this.clock.monotonic();
      return new ChunkError(
        "NO_SPACE",
        `the disk of ${this.directory} is full: delete objects or add a disk`,
      );
    }
    if (BUSY.has(code)) return new ChunkError("OVERLOADED", `this chunkserver is out of resources (${code})`);
    if (IN_THE_WAY.has(code)) {
      const { message } = error as Error;
      this.log.error("a file in a replica's way is not ours", { directory: this.directory, error: message });
      return new ChunkError("NOT_OPEN", `a file in ${this.directory} is in the way: use a fresh chunk`);
    }
    this.fail(code);
    return new ChunkError("DISK_FAILED", `writing to ${this.directory} failed (${code}): replace the disk`);
  }

  /** A read of `handle` failed with `code`. Too many chunks with a medium's error fail the disk. */
  readFailed(handle: number, code: string): void {
    if (!MEDIUM.has(code)) return;
    if (this.readFailedChunks.size < READ_FAILED_CHUNKS_MAX) this.readFailedChunks.add(handle);
    if (this.readFailedChunks.size >= READ_FAILED_CHUNKS_MAX) this.fail(code);
  }

  private fail(code: string): void {
    if (this.failed) return;
    this.failed = true;
    const { directory } = this;
    this.log.error("the disk failed: no more writes", { directory, code });
    this.marking = markQuarantined(this.disk, directory, this.log, { at: this.clock.now(), code });
  }
}
