// The chunk files of one directory: each method is one durable step, and its failure is told as by DiskHealth.
import type { Clock } from "../../std/clock.ts";
import type { Disk, DiskFile } from "../../std/disk.ts";
import { chunkHeaderInvalid, encodeChunkHeader, encodeSeal } from "../protocol/record.ts";
import type { LogFile } from "./chunk-log.ts";
import { verifyCopy } from "./copy-verification.ts";
import type { DiskHealth } from "./disk-health.ts";
import { ChunkError, systemCode } from "./errors.ts";
import { CHUNK_SUFFIX, COPY_SUFFIX, fileName, keptSuffix } from "./names.ts";
import { OpenFiles } from "./open-files.ts";
import { SharedSync } from "./shared-sync.ts";
import { SyncMeter } from "./sync-meter.ts";

/** Foreign files that were in the way of one handle's replica. */
const KEPT_MAX = 100;

/** Writes the bytes of a copy, given a function that puts some at a position. */
export type FillCopy = (write: (bytes: Uint8Array, position: number) => Promise<void>) => Promise<void>;

export class ChunkFiles {
  /** Of the appends. */
  readonly syncs = new SyncMeter();
  private readonly disk: Disk;
  private readonly open: OpenFiles;
  private readonly nameSync: SharedSync;

  constructor(
    private readonly env: { clock: Clock; disk: Disk },
    private readonly health: DiskHealth,
    private readonly directory: string,
    private readonly clusterId: string,
  ) {
    const { disk } = env;
    this.disk = disk;
    this.open = new OpenFiles(disk);
    this.nameSync = new SharedSync(() => disk.syncDirectory(directory));
  }

  /** Names in the directory, foreign ones among them. */
  names(): Promise<string[]> {
    return this.disk.list(this.directory);
  }

  /** Whether `header` is that of the chunk; or what is wrong with it. */
  headerInvalid(header: Buffer, handle: number): string | null {
    return chunkHeaderInvalid(header, handle, this.clusterId);
  }

  /** Whoever uses the chunk's file next opens it by its name again. */
  reopen(handle: number): Promise<void> {
    return this.open.forget(this.path(handle));
  }

  /** Runs `run` with the chunk's file open for reading. Rejects with Node's errors. */
  reading<T>(handle: number, run: (file: DiskFile) => Promise<T>): Promise<T> {
    return this.open.use(this.path(handle), "read", run);
  }

  /** The file of a chunk that takes appends. */
  logFile(handle: number): LogFile {
    return {
      create: () => this.create(handle),
      append: (parts, position) =>
        this.writing(handle, async (file) => {
          await file.write(parts, position);
          await this.syncAppend(file, parts);
        }),
      cut: (length) => this.writing(handle, (file) => file.truncate(length)),
    };
  }

  private async syncAppend(file: DiskFile, parts: readonly Uint8Array[]): Promise<void> {
    const { clock } = this.env;
    const since = clock.monotonic();
    await file.sync();
    let bytes = 0;
    for (const part of parts) bytes += part.length;
    this.syncs.add(bytes, (clock.monotonic() - since) / 1_000);
  }

  private create(handle: number): Promise<void> {
    const path = this.path(handle);
    return this.health.write(async () => {
      const file = await this.disk.open(path, "create");
      try {
        await file.write([encodeChunkHeader(handle, this.clusterId)], 0);
        await file.sync();
      } catch (error) {
        await this.disk.remove(path).catch(() => {});
        throw error;
      } finally {
        await file.close();
      }
      await this.nameSync.request();
    });
  }

  /** Cuts the file to `length` and puts the seal behind it. Throws `CHECKSUM` when somebody deleted the file. */
  seal(handle: number, version: number, length: number): Promise<void> {
    return this.writing(handle, async (file) => {
      await file.truncate(length);
      await file.write([encodeSeal(handle, version, length)], length);
      await file.sync();
    });
  }

  /**
   * Makes the chunk's file of what `fill` writes, once that is verified; until then the old file stays.
   * `keepOld`: the file in the way is not ours to replace, and is moved aside.
   */
  async replace(
    expected: { handle: number; version: number; length: number },
    fill: FillCopy,
    beforeSwap: () => Promise<{ keepOld: boolean }>,
  ): Promise<void> {
    const { handle } = expected;
    const temporary = `${this.directory}/${fileName(handle, COPY_SUFFIX)}`;
    await this.removePath(temporary);
    try {
      await this.writeCopy(temporary, expected, fill);
      const { keepOld } = await beforeSwap();
      if (keepOld) await this.keepAside(handle);
      await this.health.write(() => this.disk.rename(temporary, this.path(handle)));
    } catch (error) {
      await this.disk.remove(temporary).catch(() => {});
      throw error;
    }
    await this.nameChanged(handle);
  }

  private async writeCopy(
    path: string,
    expected: { handle: number; version: number; length: number },
    fill: FillCopy,
  ): Promise<void> {
    const { health } = this;
    const file = await health.write(() => this.disk.open(path, "create"));
    try {
      await fill((bytes, position) => health.write(() => file.write([bytes], position)));
      await health.write(() => file.sync());
      // What was just written cannot be read: the disk's failure, as that of a write.
      await health.write(() => verifyCopy(file, { ...expected, clusterId: this.clusterId }));
    } finally {
      await file.close();
    }
  }

  /** Deletes the chunk's file, or with `keep` moves it aside. It may be gone already. */
  async remove(handle: number, { keep }: { keep: boolean }): Promise<void> {
    if (keep) await this.keepAside(handle);
    else await this.removePath(this.path(handle));
    await this.nameChanged(handle);
  }

  closeAll(): Promise<void> {
    return this.open.closeAll();
  }

  private path(handle: number): string {
    return `${this.directory}/${fileName(handle, CHUNK_SUFFIX)}`;
  }

  /** The name stands for another file now, or none: makes that durable. */
  private async nameChanged(handle: number): Promise<void> {
    await this.open.forget(this.path(handle));
    await this.health.write(() => this.nameSync.request());
  }

  private keepAside(handle: number): Promise<void> {
    return this.health.write(async () => {
      await this.disk.rename(this.path(handle), await this.unusedKeptPath(handle));
    });
  }

  /** What was moved aside before stays too. */
  private async unusedKeptPath(handle: number): Promise<string> {
    const taken = new Set(await this.disk.list(this.directory));
    for (let count = 1; count <= KEPT_MAX; count++) {
      const name = fileName(handle, keptSuffix(count));
      if (!taken.has(name)) return `${this.directory}/${name}`;
    }
    throw new ChunkError("NOT_OPEN", `${KEPT_MAX} foreign files were in the way of chunk ${handle}`);
  }

  private removePath(path: string): Promise<void> {
    return this.health.write(async () => {
      await this.disk.remove(path).catch((error: unknown) => {
        if (systemCode(error) !== "ENOENT") throw error;
      });
    });
  }

  /** A file that somebody deleted under us is a lost replica, not a failed disk. */
  private writing(handle: number, run: (file: DiskFile) => Promise<void>): Promise<void> {
    return this.health.write(async () => {
      await this.open.use(this.path(handle), "write", run).catch((error: unknown) => {
        if (systemCode(error) !== "ENOENT") throw error;
        throw new ChunkError("CHECKSUM", `the file of chunk ${handle} has vanished`);
      });
    });
  }
}
