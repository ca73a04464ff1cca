import { join } from "node:path";
import type { Disk, DiskLock } from "../../std/disk.ts";
import { MasterError } from "./errors.ts";

/**
 * Keeps a second master off `directory` until the lock is released or this process dies. Throws `NOT_READY` when
 * another holds it.
 */
export async function lockDirectory(disk: Disk, directory: string): Promise<DiskLock> {
  try {
    return await disk.lock(join(directory, "lock"));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EWOULDBLOCK") throw error;
    throw new MasterError("NOT_READY", `another masterd runs on ${directory}: stop it first`);
  }
}
