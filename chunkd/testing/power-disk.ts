import { rm, stat, truncate } from "node:fs/promises";
import { dirname } from "node:path";
import { type Disk, type DiskFile, systemDisk } from "../../std/disk.ts";
import { diskError } from "./faulty-disk.ts";

/**
 * The real disk of a machine whose power fails: what was appended and not synced is gone, and so are new files whose
 * name was not. (Renames, removals and truncations count as durable at once.)
 */
export class PowerDisk implements Disk {
  /** Operations asked for so far. */
  operations = 0;
  private isOff = false;
  private lastOperation = Number.POSITIVE_INFINITY;
  /** Bytes of each written file that a sync has made durable. */
  private readonly durable = new Map<string, number>();
  /** Files made since their directory was last synced. */
  private readonly unnamed = new Set<string>();

  lock = systemDisk.lock;
  space = systemDisk.space;
  readFile = (path: string): Promise<Buffer> => this.powered(() => systemDisk.readFile(path));
  list = (directory: string): Promise<string[]> => this.powered(() => systemDisk.list(directory));
  mkdir = (directory: string): Promise<void> => this.powered(() => systemDisk.mkdir(directory));

  /** From now on every operation fails, and nothing more reaches the files. */
  powerOff(): void {
    this.isOff = true;
  }

  /** Powers off when `count` more operations have been done. */
  powerOffAfter(count: number): void {
    this.lastOperation = this.operations + count;
  }

  /** Takes away what was not durable. Call it when whoever used the disk has ended. */
  async lose(): Promise<void> {
    for (const path of this.unnamed) await rm(path, { force: true });
    for (const [path, size] of this.durable) {
      if (!this.unnamed.has(path) && (await stat(path)).size > size) await truncate(path, size);
    }
  }

  async open(path: string, mode: "read" | "write" | "create"): Promise<DiskFile> {
    const file = await this.powered(() => systemDisk.open(path, mode));
    if (mode === "create") this.unnamed.add(path);
    if (mode !== "read" && !this.durable.has(path)) this.durable.set(path, await file.size());
    return {
      read: (into, position) => this.powered(() => file.read(into, position)),
      write: (parts, position) => this.powered(() => file.write(parts, position)),
      truncate: (size) => this.powered(() => file.truncate(size)),
      sync: () => this.powered(() => this.sync(path, file)),
      size: () => file.size(),
      close: () => file.close(),
    };
  }

  async rename(from: string, to: string): Promise<void> {
    await this.powered(() => systemDisk.rename(from, to));
    this.unnamed.delete(from);
    this.durable.set(to, this.durable.get(from) ?? 0);
    this.durable.delete(from);
  }

  async remove(path: string): Promise<void> {
    await this.powered(() => systemDisk.remove(path));
    this.unnamed.delete(path);
    this.durable.delete(path);
  }

  async syncDirectory(directory: string): Promise<void> {
    const named = [...this.unnamed].filter((path) => dirname(path) === directory);
    await this.powered(() => systemDisk.syncDirectory(directory));
    if (!this.isOff) for (const path of named) this.unnamed.delete(path);
  }

  private async sync(path: string, file: DiskFile): Promise<void> {
    const size = await file.size();
    await file.sync();
    if (!this.isOff) this.durable.set(path, size);
  }

  private async powered<T>(run: () => Promise<T>): Promise<T> {
    if (++this.operations > this.lastOperation) this.isOff = true;
    if (this.isOff) throw diskError("EIO");
    return await run();
  }
}
