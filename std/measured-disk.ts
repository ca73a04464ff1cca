import type { Clock } from "./clock.ts";
import type { Disk, DiskFile } from "./disk.ts";
import { Histogram, Tally } from "./histogram.ts";

/** What a process has done to its disk through {@link measuredDisk}. */
export class DiskStats {
  /** Of each fdatasync, seconds. */
  readonly syncs = new Histogram();
  writtenBytes = 0;
  readBytes = 0;
  /** Failed reads, writes and syncs, by the system's code. */
  readonly errors = new Tally(["EIO", "ENOSPC"]);
}

/** `disk`, with every file's reads, writes and syncs counted. */
export function measuredDisk(disk: Disk, clock: Clock, stats: DiskStats): Disk {
  return {
    ...disk,
    async open(path, mode) {
      return measure(await disk.open(path, mode), clock, stats);
    },
  };
}

/** Replaces the methods of this one file, so that whatever else it has stays. */
function measure(file: DiskFile, clock: Clock, stats: DiskStats): DiskFile {
  const read = file.read.bind(file);
  const write = file.write.bind(file);
  const sync = file.sync.bind(file);
  const counted = async <T>(run: () => Promise<T>): Promise<T> => {
    try {
      return await run();
    } catch (error) {
      stats.errors.add((error as NodeJS.ErrnoException).code ?? "unknown");
      throw error;
    }
  };
  file.read = async (into, position) => {
    const size = await counted(() => read(into, position));
    stats.readBytes += size;
    return size;
  };
  file.write = async (parts, position) => {
    await counted(() => write(parts, position));
    for (const part of parts) stats.writtenBytes += part.length;
  };
  file.sync = async () => {
    const startedAt = clock.monotonic();
    await counted(sync);
    stats.syncs.observe((clock.monotonic() - startedAt) / 1000);
  };
  return file;
}
