import { type Disk, type DiskFile, systemDisk } from "../../std/disk.ts";

export type FileOperation = "read" | "write" | "sync" | "truncate";

/** Called before each operation on a file; throws or waits to make the fault. */
export type Fault = (operation: FileOperation, path: string) => void | Promise<void>;

export function diskError(code: string): Error {
  return Object.assign(new Error(`${code}: injected`), { code });
}

/** The real disk with faults. Counts what reaches it. */
export class FaultyDisk implements Disk {
  fault: Fault = () => {};
  /** Free bytes to report in place of the real figure. */
  free: number | undefined;
  readonly counts: Record<FileOperation, number> = { read: 0, write: 0, sync: 0, truncate: 0 };

  readFile = systemDisk.readFile;
  list = systemDisk.list;
  mkdir = systemDisk.mkdir;
  rename = systemDisk.rename;
  remove = systemDisk.remove;
  syncDirectory = systemDisk.syncDirectory;
  lock = systemDisk.lock;

  async space(path: string): Promise<{ total: number; free: number }> {
    const { total, free } = await systemDisk.space(path);
    return { total, free: this.free ?? free };
  }

  async open(path: string, mode: "read" | "write" | "create"): Promise<DiskFile> {
    const file = await systemDisk.open(path, mode);
    const before = async (operation: FileOperation): Promise<void> => {
      this.counts[operation]++;
      await this.fault(operation, path);
    };
    return {
      read: async (into, position) => {
        await before("read");
        return await file.read(into, position);
      },
      write: async (parts, position) => {
        await before("write");
        await file.write(parts, position);
      },
      sync: async () => {
        await before("sync");
        await file.sync();
      },
      truncate: async (size) => {
        await before("truncate");
        await file.truncate(size);
      },
      size: () => file.size(),
      close: () => file.close(),
    };
  }
}
