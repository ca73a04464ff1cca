// The disk of a simulated machine. It promises less than any real one: what was not synced may be gone, torn or
// reordered after a power failure, and what was under way when a program died may have happened or not.
import { dirname } from "node:path";
import type { CatalogFile } from "../../masterd/catalog/catalog-files.ts";
import type { Disk, DiskFile, DiskLock } from "../../std/disk.ts";
import { CatalogImage } from "./catalog-image.ts";
import { copyOf } from "./content.ts";
import { diskError } from "./disk-error.ts";
import { DiskFaults, type DiskOperation, type Fault } from "./disk-faults.ts";
import { FileSystem } from "./file-system.ts";
import type { SimProcess } from "./process.ts";
import type { Scheduler } from "./scheduler.ts";
import type { SeededRandom } from "./seeded-random.ts";
import { SECTOR_SIZE, SimFile } from "./sim-file.ts";

export interface DiskOptions {
  capacityBytes?: number;
  /** Mean of what an operation takes, ms; each takes at least a tenth of it. */
  latencyMs?: Partial<Record<DiskOperation, number>>;
  bytesPerMs?: number;
}

const CAPACITY_BYTES = 4 * 2 ** 30;
const LATENCY_MS: Record<DiskOperation, number> = {
  read: 0.1,
  write: 0.03,
  sync: 0.8,
  name: 0.05,
  look: 0.02,
};
const BYTES_PER_MS = 500_000;

/** Chance that a read has to wait for the medium. */
const UNCACHED_CHANCE = 0.3;

/** Of an operation that is under way when its program is killed. */
const FATES = ["all", "none"] as const;
const FATES_OF_A_WRITE = ["all", "none", "part"] as const;

type Mode = "read" | "write" | "create";

interface UnderWay {
  process: SimProcess;
  /** What the operation does, once. */
  effect(): void;
  /** What it may have done when it was cut short; undefined: all of it or nothing. */
  part: (() => void) | undefined;
}

export class SimDisk {
  readonly faults = new DiskFaults();
  /**
   * Called when an operation of the program is about to have its effect; counts from 0 over the disk's life. To crash the
   * node here is to crash it at that very step: the operation then happens or does not.
   */
  onOperation: (operation: DiskOperation, path: string, count: number) => void = () => {};
  private operations = 0;
  /** Bytes that files may take in all; less than what they take makes the disk full. */
  capacityBytes: number;
  private readonly files = new FileSystem<SimFile | CatalogImage>(["/data"]);
  private readonly underWay = new Set<UnderWay>();
  private readonly locks = new Map<string, SimProcess>();
  private readonly random: SeededRandom;
  private readonly latencyMs: Record<DiskOperation, number>;
  private readonly bytesPerMs: number;

  constructor(
    private readonly node: string,
    private readonly scheduler: Scheduler,
    options: DiskOptions = {},
  ) {
    this.random = scheduler.random(`disk/${node}`);
    this.capacityBytes = options.capacityBytes ?? CAPACITY_BYTES;
    this.latencyMs = { ...LATENCY_MS, ...options.latencyMs };
    this.bytesPerMs = options.bytesPerMs ?? BYTES_PER_MS;
  }

  // What a scenario may look at and damage. Paths are absolute; programs keep their files below /data.

  /** Paths and sizes of the files that match, in order of their directories' making. */
  list(pattern = /./): { path: string; size: number }[] {
    const found = [...this.files.files()].filter(([path]) => pattern.test(path));
    return found.map(([path, file]) => ({ path, size: file.size }));
  }

  /** What a program would read now; not to be changed. */
  contentOf(path: string): Buffer {
    const bytes = this.files.file(path).bytes();
    return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  }

  /** Flips one bit at rest; without `position` anywhere in the file. Returns where. */
  flipBit(path: string, position?: number): number {
    const file = this.plainFile(path);
    if (file.size === 0) throw new Error(`${path} has no bit to flip`);
    const at = position ?? this.random.int(0, file.size - 1);
    const bit = 1 << this.random.int(0, 7);
    file.corrupt((content) => {
      const byte = new Uint8Array(1);
      if (content.read(byte, at) === 1) content.write(Uint8Array.of(byte[0]! ^ bit), at);
    });
    this.scheduler.record("bit flip", this.node, path, at);
    return at;
  }

  /** Reads that touch the sector of `position` fail with EIO until it is written again. */
  breakSector(path: string, position: number): void {
    this.plainFile(path).unreadable.add(Math.floor(position / SECTOR_SIZE));
    this.scheduler.record("broken sector", this.node, path, position);
  }

  hasBrokenSectors(path: string): boolean {
    const file = this.plainFile(path);
    return file.hasUnreadable(0, file.size);
  }

  /** Puts other bytes into a file at rest, behind everybody's back; it becomes longer where they reach behind its end. */
  overwrite(path: string, position: number, bytes: Uint8Array): void {
    this.plainFile(path).corrupt((content) => content.write(bytes, position));
    this.scheduler.record("overwritten", this.node, path, position, bytes.length);
  }

  /** Cuts a file off behind everybody's back. */
  truncate(path: string, size: number): void {
    this.plainFile(path).corrupt((content) => content.truncate(size));
    this.scheduler.record("cut", this.node, path, size);
  }

  /** Takes a file away behind everybody's back, durably. Works on catalogs too. */
  destroy(path: string): void {
    this.files.remove(path);
    this.files.synced(dirname(path), this.files.mark(dirname(path)));
    this.scheduler.record("destroyed", this.node, path);
  }

  /** A new, empty disk in place of this one; no program may be running. */
  replaceByEmpty(): void {
    for (const { path } of this.list()) this.destroy(path);
  }

  get usedBytes(): number {
    return this.files.usedBytes;
  }

  private plainFile(path: string): SimFile {
    const file = this.files.file(path);
    if (file instanceof CatalogImage) throw diskError("EINVAL", path);
    return file;
  }

  // What happens to the machine; see SimNode.

  /** What the program had under way happens or does not; its locks are free. */
  processDied(process: SimProcess): void {
    for (const operation of [...this.underWay]) {
      if (operation.process !== process) continue;
      this.underWay.delete(operation);
      const fate = this.random.pick(operation.part ? FATES_OF_A_WRITE : FATES);
      if (fate === "all") operation.effect();
      else if (fate === "part") operation.part!();
    }
    for (const [path, owner] of this.locks) if (owner === process) this.locks.delete(path);
    for (const [, file] of this.files.files()) if (file instanceof CatalogImage) file.processDied(process);
  }

  powerLoss(): void {
    this.files.powerLoss(this.random);
  }

  // What a program sees.

  /** The disk as the program `process` sees it. */
  of(process: SimProcess): Disk {
    const name = <T>(path: string, effect: () => T): Promise<T> => this.run(process, "name", path, 0, effect);
    const look = <T>(path: string, effect: () => T): Promise<T> => this.run(process, "look", path, 0, effect);
    return {
      open: (path, mode) => {
        const opened = (): DiskFile => this.handle(process, path, this.openFile(path, mode));
        return mode === "create" ? name(path, opened) : look(path, opened);
      },
      readFile: (path) => this.run(process, "read", path, 0, () => this.readAll(path)),
      list: (directory) => look(directory, () => this.random.shuffle(this.files.list(directory))),
      mkdir: (directory) => name(directory, () => this.files.mkdir(directory)),
      rename: (from, to) => name(from, () => this.files.rename(from, to)),
      remove: (path) => name(path, () => this.files.remove(path)),
      syncDirectory: (directory) => this.syncDirectory(process, directory),
      space: (path) =>
        look(path, () => {
          const free = Math.max(0, this.capacityBytes - this.usedBytes);
          return { total: this.capacityBytes, free };
        }),
      lock: (path) => look(path, () => this.lock(process, path)),
    };
  }

  /** A catalog, which SQLite opens by itself and at once. Throws as SQLite does. */
  openCatalog(process: SimProcess, path: string, mode: "write" | "create"): CatalogFile {
    if (mode === "create") this.files.add(path, new CatalogImage(this.scheduler, this.random));
    const file = this.catalogAt(path);
    return file.openBy(process, {
      errorOf: (operation) => {
        const error = this.errorOf(operation, path);
        return error ?? (this.usedBytes > this.capacityBytes ? "ENOSPC" : undefined);
      },
      sync: (effect) =>
        this.run(process, "sync", path, 0, (fault) => {
          if (fault) throw diskError("EIO", path);
          if (!this.faults.syncsLie) effect();
        }),
    });
  }

  private catalogAt(path: string): CatalogImage {
    const file = this.files.file(path);
    if (file instanceof CatalogImage) return file;
    const catalog = new CatalogImage(this.scheduler, this.random, file.bytes());
    this.place(path, catalog);
    return catalog;
  }

  /** Has this file there, durably, in place of what had the name. */
  private place(path: string, file: SimFile | CatalogImage): void {
    this.files.mkdir(dirname(path));
    if (this.files.has(path)) this.files.remove(path);
    this.files.add(path, file);
    for (const directory of [dirname(path), dirname(dirname(path))])
      if (directory !== "/") this.files.synced(directory, this.files.mark(directory));
  }

  /** Puts a file there, as somebody does who copies one from another machine. */
  put(path: string, bytes: Uint8Array): void {
    const file = new SimFile();
    file.corrupt((content) => content.write(bytes, 0));
    this.place(path, file);
    this.scheduler.record("put", this.node, path, bytes.length);
  }

  /** From now on SQLite finds no catalog in this file. */
  damageCatalog(path: string): void {
    const file = this.files.file(path);
    if (!(file instanceof CatalogImage)) throw diskError("EINVAL", path);
    file.damaged = true;
    this.scheduler.record("damaged catalog", this.node, path);
  }

  private openFile(path: string, mode: Mode): SimFile | CatalogImage {
    if (mode !== "create") return this.files.file(path);
    const file = new SimFile();
    this.files.add(path, file);
    return file;
  }

  private handle(process: SimProcess, path: string, file: SimFile | CatalogImage): DiskFile {
    const size = (): Promise<number> => this.run(process, "look", path, 0, () => file.size);
    const close = (): Promise<void> => this.run(process, "look", path, 0, () => {});
    if (file instanceof CatalogImage) {
      const refuse = (): Promise<never> => Promise.reject(diskError("EINVAL", path));
      return { read: refuse, write: refuse, sync: refuse, truncate: refuse, size, close };
    }
    return {
      read: (into, position) =>
        this.run(process, "read", path, into.length, () => this.readSome(path, file, into, position)),
      readCached: (into, position) => this.readCached(process, path, file, into, position),
      write: (parts, position) => this.write(process, path, file, parts, position),
      sync: () => this.sync(process, path, file),
      truncate: (to) => this.run(process, "write", path, 0, () => file.truncate(to)),
      size,
      close,
    };
  }

  private readAll(path: string): Buffer {
    const file = this.plainFile(path);
    const bytes = Buffer.alloc(file.size);
    this.readSome(path, file, bytes, 0);
    return bytes;
  }

  private readSome(path: string, file: SimFile, into: Uint8Array, position: number): number {
    if (file.hasUnreadable(position, into.length)) throw diskError("EIO", path);
    return file.read(into, position);
  }

  /** Some of what was written lately is no longer in memory. */
  private readCached(
    process: SimProcess,
    path: string,
    file: SimFile,
    into: Uint8Array,
    position: number,
  ): number {
    if (!process.alive || this.random.chance(UNCACHED_CHANCE) || file.hasUnreadable(position, into.length))
      return -1;
    if (this.random.chance(this.faults.errorChance.read)) return -1;
    this.scheduler.record("read cached", this.node, path, into.length);
    return file.read(into, position);
  }

  private write(
    process: SimProcess,
    path: string,
    file: SimFile,
    parts: readonly Uint8Array[],
    position: number,
  ): Promise<void> {
    let size = 0;
    for (const part of parts) size += part.length;
    const effect = (fault: Fault | undefined): void => {
      const bytes = copyOf(parts);
      this.scheduler.record("write", this.node, path, position, size, Bun.hash.crc32(bytes));
      if (fault === "lose" || fault === "misdirect") {
        if (position + size > file.size) file.truncate(position + size);
        if (fault === "misdirect") this.misdirect(file, bytes, position);
        return;
      }
      const room = this.capacityBytes - this.usedBytes;
      const growth = Math.max(0, position + size - file.size);
      const error = fault?.error ?? (growth > room ? "ENOSPC" : undefined);
      if (error === undefined) {
        file.write(bytes, position);
        return;
      }
      const possible = Math.min(size, Math.max(0, size - growth + Math.max(0, room)));
      file.write(bytes.subarray(0, this.random.int(0, possible)), position);
      throw diskError(error, path);
    };
    const part = (): void => {
      const bytes = Buffer.concat(parts);
      const isFull = position + size - file.size > this.capacityBytes - this.usedBytes;
      if (!isFull && !this.faults.readOnly) file.write(bytes.subarray(0, this.random.int(0, size)), position);
    };
    return this.run(process, "write", path, size, effect, part);
  }

  /** Puts the bytes where they do not belong; the place that they were meant for keeps what it had. */
  private misdirect(intended: SimFile, bytes: Buffer, position: number): void {
    const files = [...this.files.files()].map(([, file]) => file).filter((file) => file instanceof SimFile);
    const target = this.random.chance(0.5) ? intended : this.random.pick(files);
    const meant = target === intended ? Math.floor(position / SECTOR_SIZE) : Number.POSITIVE_INFINITY;
    const sectors = Math.floor(target.size / SECTOR_SIZE);
    const others = meant < sectors ? sectors - 1 : sectors;
    if (others === 0) return;
    const drawn = this.random.int(0, others - 1);
    target.write(bytes, (drawn < meant ? drawn : drawn + 1) * SECTOR_SIZE);
  }

  /** Covers the writes that were done when it began, and no later one. */
  private sync(process: SimProcess, path: string, file: SimFile): Promise<void> {
    const covered = file.mark;
    return this.run(process, "sync", path, 0, (fault) => {
      this.scheduler.record("sync", this.node, path, covered);
      if (fault) {
        file.syncFailed(this.random.chance(0.5));
        throw diskError(fault === "lose" || fault === "misdirect" ? "EIO" : fault.error, path);
      }
      if (!this.faults.syncsLie) file.synced(covered);
    });
  }

  private syncDirectory(process: SimProcess, path: string): Promise<void> {
    let covered = 0;
    try {
      covered = this.files.mark(path);
    } catch (error) {
      return Promise.reject(error);
    }
    return this.run(process, "sync", path, 0, (fault) => {
      if (fault) throw diskError("EIO", path);
      this.scheduler.record("sync directory", this.node, path, covered);
      if (!this.faults.syncsLie) this.files.synced(path, covered);
    });
  }

  private lock(process: SimProcess, path: string): DiskLock {
    if (!this.files.has(path)) this.files.add(path, new SimFile());
    if (this.locks.has(path)) throw diskError("EWOULDBLOCK", path);
    this.locks.set(path, process);
    return {
      release: async () => {
        if (this.locks.get(path) === process) this.locks.delete(path);
      },
    };
  }

  /** One system call: it takes its time, then has its effect, then the program hears of it, unless it died meanwhile. */
  private run<T>(
    process: SimProcess,
    operation: DiskOperation,
    path: string,
    size: number,
    effect: (fault: Fault | undefined) => T,
    part?: () => void,
  ): Promise<T> {
    if (!process.alive) return new Promise(() => {});
    return new Promise((resolve, reject) => {
      let answer: () => void = () => {};
      const underWay: UnderWay = {
        process,
        part,
        effect: () => {
          try {
            const value = effect(this.faultOf(operation, path));
            answer = () => resolve(value);
          } catch (error) {
            answer = () => reject(error);
          }
        },
      };
      this.underWay.add(underWay);
      this.scheduler.after(this.duration(operation, size), () => {
        // Not a step of a program that died meanwhile.
        if (this.underWay.has(underWay)) this.onOperation(operation, path, this.operations++);
        if (!this.underWay.delete(underWay)) return;
        underWay.effect();
        this.scheduler.record(operation, this.node, path, size);
        process.enter(answer);
      });
    });
  }

  private faultOf(operation: DiskOperation, path: string): Fault | undefined {
    if (operation !== "write" && operation !== "sync") {
      const error = this.errorOf(operation, path);
      if (error !== undefined) throw diskError(error, path);
      return undefined;
    }
    const planned = this.faults.take(operation, path);
    if (planned !== undefined) return planned;
    const error = this.chanceOfError(operation);
    return error === undefined ? undefined : { error };
  }

  private errorOf(operation: DiskOperation, path: string): string | undefined {
    const planned = this.faults.take(operation, path);
    if (planned === undefined) return this.chanceOfError(operation);
    return typeof planned === "string" ? "EIO" : planned.error;
  }

  private chanceOfError(operation: DiskOperation): string | undefined {
    if (this.faults.readOnly && (operation === "write" || operation === "name")) return "EROFS";
    return this.random.chance(this.faults.errorChance[operation]) ? "EIO" : undefined;
  }

  private duration(operation: DiskOperation, size: number): number {
    const mean = this.latencyMs[operation];
    return (mean * 0.1 + this.random.exponential(mean * 0.9) + size / this.bytesPerMs) * this.faults.slowness;
  }
}
