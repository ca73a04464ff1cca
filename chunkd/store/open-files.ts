import type { Disk, DiskFile } from "../../std/disk.ts";

/** Descriptors kept open per process: well under the usual RLIMIT_NOFILE of 1024, with room for sockets. */
export const OPEN_FILES_MAX = 256;

interface Entry {
  file: Promise<DiskFile>;
  users: number;
  /** No longer in the map: closed by its last user. */
  gone: boolean;
}

/** Opens files on demand and keeps the most recently used ones open. */
export class OpenFiles {
  /** In order of last use, oldest first. */
  private readonly entries = new Map<string, Entry>();

  constructor(
    private readonly disk: Disk,
    private readonly max = OPEN_FILES_MAX,
  ) {}

  /** Runs `run` with the file at `path` open; it is not closed meanwhile. */
  async use<T>(path: string, mode: "read" | "write", run: (file: DiskFile) => Promise<T>): Promise<T> {
    const key = `${mode}:${path}`;
    const entry = this.entries.get(key) ?? { file: this.disk.open(path, mode), users: 0, gone: false };
    this.entries.delete(key);
    this.entries.set(key, entry);
    entry.users++;
    this.evict();
    try {
      return await run(await this.opened(key, entry));
    } finally {
      entry.users--;
      if (entry.gone && entry.users === 0) await close(entry);
    }
  }

  /** Forgets an open file of `path`: the next use opens the name again. For a file that is replaced or removed. */
  async forget(path: string): Promise<void> {
    for (const mode of ["read", "write"]) await this.drop(`${mode}:${path}`);
  }

  async closeAll(): Promise<void> {
    for (const key of [...this.entries.keys()]) await this.drop(key);
  }

  private async opened(key: string, entry: Entry): Promise<DiskFile> {
    try {
      return await entry.file;
    } catch (error) {
      if (this.entries.get(key) === entry) this.entries.delete(key);
      throw error;
    }
  }

  /** A file in use is closed by its last user, so that the limit can be passed by as many as are in use at once. */
  private evict(): void {
    for (const key of this.entries.keys()) {
      if (this.entries.size <= this.max) return;
      void this.drop(key);
    }
  }

  private async drop(key: string): Promise<void> {
    const entry = this.entries.get(key);
    if (!entry) return;
    this.entries.delete(key);
    entry.gone = true;
    if (entry.users === 0) await close(entry);
  }
}

/** A failed close loses nothing: whatever had to last was synced before. */
async function close(entry: Entry): Promise<void> {
  await entry.file.then((file) => file.close()).catch(() => {});
}
