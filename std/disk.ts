import { constants } from "node:fs";
import * as fs from "node:fs/promises";
import { syncDirectory } from "./durable-file.ts";
import { tryLock } from "./flock.ts";
import { readCached } from "./page-cache.ts";

/**
 * The file operations that a storage core may use; a simulator implements the same with faults.
 * Errors are Node's (`error.code` is ENOSPC, EIO, ENOENT, EEXIST, ...).
 */
export interface Disk {
  /** Opens an existing file, or with `create` makes a new one (EEXIST if there is one). */
  open(path: string, mode: "read" | "write" | "create"): Promise<DiskFile>;
  readFile(path: string): Promise<Buffer>;
  /** File names (not paths) in a directory, in no order. */
  list(directory: string): Promise<string[]>;
  mkdir(directory: string): Promise<void>;
  rename(from: string, to: string): Promise<void>;
  remove(path: string): Promise<void>;
  /** Makes created, renamed and removed names of `directory` durable. */
  syncDirectory(directory: string): Promise<void>;
  /** Bytes in all and bytes free for this user on the file system of `path`. */
  space(path: string): Promise<{ total: number; free: number }>;
  /**
   * Takes the lock file at `path` for this process until the lock is released or the process ends, however it ends.
   * Rejects with EWOULDBLOCK while another holds it.
   */
  lock(path: string): Promise<DiskLock>;
}

export interface DiskLock {
  release(): Promise<void>;
}

export interface DiskFile {
  /** The system's number of the open file, for what the system can do by itself; a simulated file has none. */
  readonly descriptor?: number;
  /** Reads up to `into.length` bytes at `position`; returns the count, less than asked only at the end. */
  read(into: Uint8Array, position: number): Promise<number>;
  /** As {@link read}, at once: the count, or -1 where it would have to wait for the disk. A file may not have it. */
  readCached?(into: Uint8Array, position: number): number;
  /** Writes all of `parts`, one after another, from `position`. Not durable before {@link sync}. */
  write(parts: readonly Uint8Array[], position: number): Promise<void>;
  /** fdatasync. After an error the file's dirty pages are lost: never retry. */
  sync(): Promise<void>;
  truncate(size: number): Promise<void>;
  size(): Promise<number>;
  close(): Promise<void>;
}

const FLAGS = {
  read: constants.O_RDONLY,
  write: constants.O_RDWR,
  create: constants.O_RDWR | constants.O_CREAT | constants.O_EXCL,
} as const;

/** writev(2) takes at most this many buffers (IOV_MAX on Linux). */
const WRITEV_PARTS_MAX = 1024;

class SystemFile implements DiskFile {
  constructor(private readonly handle: fs.FileHandle) {}

  get descriptor(): number {
    return this.handle.fd;
  }

  readCached(into: Uint8Array, position: number): number {
    return readCached(this.handle.fd, into, position);
  }

  async read(into: Uint8Array, position: number): Promise<number> {
    let filled = 0;
    while (filled < into.length) {
      const { bytesRead } = await this.handle.read(into, filled, into.length - filled, position + filled);
      if (bytesRead === 0) break;
      filled += bytesRead;
    }
    return filled;
  }

  async write(parts: readonly Uint8Array[], position: number): Promise<void> {
    for (let i = 0; i < parts.length; i += WRITEV_PARTS_MAX) {
      position = await this.writeAll(parts.slice(i, i + WRITEV_PARTS_MAX), position);
    }
  }

  /** writev may write less than asked (near ENOSPC, or over 2 GiB): go on behind what it took. */
  private async writeAll(parts: Uint8Array[], position: number): Promise<number> {
    while (parts.length > 0) {
      let { bytesWritten } = await this.handle.writev(parts, position);
      position += bytesWritten;
      while (parts.length > 0 && bytesWritten >= parts[0]!.length) bytesWritten -= parts.shift()!.length;
      if (parts.length > 0 && bytesWritten > 0) parts[0] = parts[0]!.subarray(bytesWritten);
    }
    return position;
  }

  sync(): Promise<void> {
    return this.handle.datasync();
  }

  truncate(size: number): Promise<void> {
    return this.handle.truncate(size);
  }

  async size(): Promise<number> {
    return (await this.handle.stat()).size;
  }

  close(): Promise<void> {
    return this.handle.close();
  }
}

/** A file system that has turned read-only still tells who holds its files. */
async function openLock(path: string): Promise<fs.FileHandle> {
  try {
    return await fs.open(path, constants.O_RDWR | constants.O_CREAT, 0o600);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EROFS") throw error;
    return await fs.open(path, constants.O_RDONLY);
  }
}

export const systemDisk: Disk = {
  async open(path, mode) {
    return new SystemFile(await fs.open(path, FLAGS[mode], 0o600));
  },
  readFile: (path) => fs.readFile(path),
  list: (directory) => fs.readdir(directory),
  async mkdir(directory) {
    await fs.mkdir(directory, { recursive: true, mode: 0o700 });
  },
  rename: (from, to) => fs.rename(from, to),
  remove: (path) => fs.rm(path),
  syncDirectory,
  async space(path) {
    const stats = await fs.statfs(path);
    return { total: stats.blocks * stats.bsize, free: stats.bavail * stats.bsize };
  },
  async lock(path) {
    const handle = await openLock(path);
    if (!tryLock(handle.fd)) {
      await handle.close();
      throw Object.assign(new Error(`${path} is locked`), { code: "EWOULDBLOCK" });
    }
    return { release: () => handle.close() };
  },
};
