// A catalog on the real file system. Commits append to the WAL, unsynced; a thread moves the WAL into the file. The WAL
// starts again from its beginning only when all of it is in the file and a transaction begins while nobody reads it, so
// once it has grown the next transaction waits for the thread to move the little that is left.
import type { Database } from "bun:sqlite";
import { dirname } from "node:path";
import { assert } from "../../std/assert.ts";
import { type DiskFile, systemDisk } from "../../std/disk.ts";
import { Checkpointer, type CheckpointProgress } from "./checkpointer.ts";

/** Pages (4 KiB) that wait to be moved when the thread is woken. */
const MOVED_PAGES_MIN = 4 << 10;
/** Pages of a WAL that should start again, and how few must be left to move for callers to wait for it. */
const RESTART_PAGES = 32 << 10;
const RESTART_LEFT_PAGES = 1 << 10;
/** A WAL of so many pages starts again whatever is left to move: the disk is slower than the commits. */
const RESTART_PAGES_MAX = 64 << 10;
/** So few pages are moved without the thread while there is none: a start and a test commit no more than that. */
const UNTHREADED_PAGES_MAX = 64;
/** A snapshot keeps the WAL from being moved; when it has grown to so many pages, no more commits are taken up meanwhile. */
const HELD_PAGES_MAX = 512 << 10;

/** The catalog as it was at one moment, while the master goes on. Bytes of a SQLite file, complete in itself. */
export interface CatalogSnapshot {
  readonly size: number;
  /** Fills `into` from `offset` on; resolves with how many bytes there were. */
  read(into: Uint8Array, offset: number): Promise<number>;
  /** Until then the disk holds what has changed since. */
  release(): void;
}

export class WalFile {
  private readonly checkpointer: Checkpointer;
  private readonly wal;
  private failure: Error | undefined;
  private nameIsDurable = false;
  private held: PromiseWithResolvers<void> | undefined;
  /** Open to the end once it was: closing any descriptor of a file drops the locks that SQLite has on it. */
  private reader: DiskFile | undefined;

  constructor(
    readonly sqlite: Database,
    private readonly path: string,
  ) {
    this.checkpointer = new Checkpointer(path);
    this.wal = sqlite.query<CheckpointProgress, []>("PRAGMA wal_checkpoint(NOOP)");
  }

  commit(): void {
    this.sqlite.run("COMMIT");
  }

  settled(): Promise<void> | undefined {
    if (this.failure) return Promise.reject(this.failure);
    const { log, checkpointed } = this.wal.get()!;
    const left = log - checkpointed;
    if (this.held) return log >= HELD_PAGES_MAX ? this.held.promise : undefined;
    if (log >= RESTART_PAGES_MAX) return this.restart();
    if (log >= RESTART_PAGES && left <= RESTART_LEFT_PAGES && !this.checkpointer.busy) return this.restart();
    const isDue = left >= MOVED_PAGES_MIN || (log >= RESTART_PAGES && left > 0);
    if (isDue && !this.checkpointer.busy) this.move().catch(() => {}); // the next call here tells
    return undefined;
  }

  private async restart(): Promise<void> {
    await this.checkpointer.idle();
    await this.move();
  }

  async checkpoint(): Promise<boolean> {
    await this.checkpointer.idle();
    await this.held?.promise;
    const progress = await this.move();
    return progress !== undefined && progress.busy === 0 && progress.log === progress.checkpointed;
  }

  /** After a failed sync the kernel may have dropped pages that SQLite takes for written: nothing is trusted any more. */
  private async move(): Promise<CheckpointProgress | undefined> {
    if (this.failure) throw this.failure;
    try {
      const progress = this.mayMoveHere ? this.moveHere() : await this.checkpointer.run();
      if (!this.nameIsDurable) await systemDisk.syncDirectory(dirname(this.path));
      this.nameIsDurable = true;
      return progress;
    } catch (error) {
      this.failure = error as Error;
      throw error;
    }
  }

  private get mayMoveHere(): boolean {
    if (this.checkpointer.started || this.sqlite.inTransaction) return false;
    const { log, checkpointed } = this.wal.get()!;
    return log - checkpointed <= UNTHREADED_PAGES_MAX;
  }

  private moveHere(): CheckpointProgress {
    return this.sqlite.query<CheckpointProgress, []>("PRAGMA wal_checkpoint(PASSIVE)").get()!;
  }

  /** Moves what is committed, so that little is left for a snapshot to move. A transaction may be open. */
  async catchUp(): Promise<void> {
    await this.checkpointer.idle();
    if (!this.held) await this.move();
  }

  /** With all of the WAL in the file, and nobody to move more, the file stays as it is: it is the snapshot. */
  async snapshot(): Promise<CatalogSnapshot> {
    assert(!this.held, "one snapshot at a time");
    await this.checkpointer.idle();
    const progress = await this.move();
    if (!progress || progress.log !== progress.checkpointed) {
      throw Object.assign(new Error("the disk has no room to bring the catalog up to date"), {
        code: "ENOSPC",
      });
    }
    const held = Promise.withResolvers<void>();
    this.held = held;
    this.reader ??= await systemDisk.open(this.path, "read");
    const { reader } = this;
    const release = (): void => {
      held.resolve();
      if (this.held === held) this.held = undefined;
    };
    return { size: await reader.size(), read: (into, offset) => reader.read(into, offset), release };
  }

  async close(): Promise<void> {
    this.held?.resolve();
    this.held = undefined;
    await this.checkpointer.close();
    this.sqlite.close();
    await this.reader?.close();
  }
}
