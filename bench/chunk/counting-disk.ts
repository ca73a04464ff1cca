import { type Disk, type DiskFile, systemDisk } from "../../std/disk.ts";

export interface SyncCounts {
  count: number;
  /** Bytes written. */
  bytes: number;
}

/** The real disk, whose writes and syncs are counted. */
export class CountingDisk implements Disk {
  readonly counts: SyncCounts = { count: 0, bytes: 0 };
  readonly readFile = systemDisk.readFile;
  readonly list = systemDisk.list;
  readonly mkdir = systemDisk.mkdir;
  readonly rename = systemDisk.rename;
  readonly remove = systemDisk.remove;
  readonly syncDirectory = systemDisk.syncDirectory;
  readonly space = systemDisk.space;
  readonly lock = systemDisk.lock;

  async open(path: string, mode: "read" | "write" | "create"): Promise<DiskFile> {
    const file = await systemDisk.open(path, mode);
    if (mode === "read") return file;
    const { counts } = this;
    const write = file.write.bind(file);
    const sync = file.sync.bind(file);
    file.write = (parts, position) => {
      for (const part of parts) counts.bytes += part.length;
      return write(parts, position);
    };
    file.sync = () => {
      counts.count++;
      return sync();
    };
    return file;
  }
}
