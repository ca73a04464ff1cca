// Chunk files of chunkservers on this machine, open for reading. A file is used only after its header has shown that it is
// that chunk of this cluster. What is read from it afterwards is verified like an answer over the wire: a file that was
// replaced or removed under an open descriptor cannot give wrong bytes, only old ones that the extent's checksum pins.
import type { Clock, Timer } from "../../std/clock.ts";
import type { Disk, DiskFile } from "../../std/disk.ts";
import { chunkFileName } from "../protocol/local-access.ts";
import { CHUNK_HEADER_SIZE, chunkHeaderInvalid } from "../protocol/record.ts";

/** Descriptors kept open at once. */
const FILES_MAX = 128;
/** A file that nobody read for this long is closed: it may have been removed, and would keep its space. */
const IDLE_MS = 10_000;
/** A file that could not be used is not tried again for this long. */
const REFUSED_MS = 10_000;

interface Entry {
  path: string;
  /** Undefined while it is being opened, and where it cannot be used. */
  file: DiskFile | undefined;
  readers: number;
  /** Monotonic ms of the last use, or of the refusal. */
  usedAt: number;
  /** No longer in the map: closed by its last reader. */
  gone: boolean;
}

export class LocalFiles {
  /** In order of last use, oldest first. */
  private readonly entries = new Map<string, Entry>();
  private sweeping: Timer | undefined;
  private closed = false;

  constructor(
    private readonly env: { clock: Clock; disk: Disk },
    private readonly clusterId: string,
  ) {}

  /** The open file of a chunk; undefined while it is being opened or cannot be used, and the wire has to do. */
  file(directory: string, handle: number): DiskFile | undefined {
    const path = `${directory}/${chunkFileName(handle)}`;
    const entry = this.entries.get(path);
    const now = this.env.clock.monotonic();
    if (entry?.file) {
      entry.usedAt = now;
      this.entries.delete(path);
      this.entries.set(path, entry);
      return entry.file;
    }
    if (!this.closed && (!entry || now - entry.usedAt > REFUSED_MS)) void this.open(path, handle);
    return undefined;
  }

  /** Runs `read`, which does not end at once; the file is not closed meanwhile. */
  async using<T>(directory: string, handle: number, read: () => Promise<T>): Promise<T> {
    const entry = this.entries.get(`${directory}/${chunkFileName(handle)}`);
    if (!entry) return read();
    entry.readers++;
    try {
      return await read();
    } finally {
      entry.readers--;
      if (entry.gone && entry.readers === 0) this.release(entry);
    }
  }

  /** The file gave nothing that could be used: the wire has to do for a while. */
  refuse(directory: string, handle: number): void {
    const path = `${directory}/${chunkFileName(handle)}`;
    const entry = this.entries.get(path);
    if (!entry) return;
    this.drop(entry);
    this.add(path);
  }

  close(): void {
    this.closed = true;
    this.sweeping?.cancel();
    for (const entry of [...this.entries.values()]) this.drop(entry);
  }

  private async open(path: string, handle: number): Promise<void> {
    const entry = this.add(path);
    let file: DiskFile | undefined;
    try {
      file = await this.env.disk.open(path, "read");
      const header = Buffer.alloc(CHUNK_HEADER_SIZE);
      const size = await file.read(header, 0);
      if (chunkHeaderInvalid(header.subarray(0, size), handle, this.clusterId) !== null || entry.gone) {
        await file.close();
        return;
      }
      entry.file = file;
      entry.usedAt = this.env.clock.monotonic();
    } catch {
      // No such file, or not for this process: `usedAt` keeps it from being tried at once again.
      await file?.close().catch(() => {});
    }
  }

  private add(path: string): Entry {
    const entry = { path, file: undefined, readers: 0, usedAt: this.env.clock.monotonic(), gone: false };
    this.entries.delete(path);
    this.entries.set(path, entry);
    for (const oldest of this.entries.values()) {
      if (this.entries.size <= FILES_MAX) break;
      this.drop(oldest);
    }
    this.sweeping ??= this.env.clock.after(IDLE_MS, () => this.sweep());
    return entry;
  }

  private sweep(): void {
    const idleSince = this.env.clock.monotonic() - IDLE_MS;
    for (const entry of [...this.entries.values()]) {
      if (entry.readers === 0 && entry.usedAt <= idleSince) this.drop(entry);
    }
    this.sweeping = this.entries.size > 0 ? this.env.clock.after(IDLE_MS, () => this.sweep()) : undefined;
  }

  private drop(entry: Entry): void {
    if (this.entries.get(entry.path) === entry) this.entries.delete(entry.path);
    entry.gone = true;
    if (entry.readers === 0) this.release(entry);
  }

  private release(entry: Entry): void {
    const { file } = entry;
    entry.file = undefined;
    void file?.close().catch(() => {});
  }
}
