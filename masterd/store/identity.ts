// Whose directory it is. `identity.json` is written last when a directory is made: where it is, a journal and a catalog
// were, and their absence is a loss, never a fresh start.
import { join } from "node:path";
import type { Disk } from "../../std/disk.ts";
import { parseFields, readSmallFile, replaceSmallFile } from "../../std/small-file.ts";
import { DamagedStoreError } from "./errors.ts";

const STORE_FORMAT = 1;
const NAME = "identity.json";

/** Whether `directory` was made a master's directory of this cluster. Throws {@link DamagedStoreError} on another's. */
export async function readIdentity(disk: Disk, directory: string, clusterId: string): Promise<boolean> {
  const path = join(directory, NAME);
  const text = await readSmallFile(disk, directory, NAME);
  if (text === undefined) return false;
  const identity = parseFields(text);
  if (!identity) throw new DamagedStoreError(`${path} cannot be read`);
  if (identity.format !== STORE_FORMAT) {
    throw new DamagedStoreError(`${path} has format ${identity.format}, this version reads ${STORE_FORMAT}`);
  }
  if (identity.clusterId !== clusterId) {
    throw new DamagedStoreError(`${directory} belongs to another cluster (${identity.clusterId})`);
  }
  return true;
}

export function writeIdentity(disk: Disk, directory: string, clusterId: string): Promise<void> {
  return replaceSmallFile(disk, directory, NAME, `${JSON.stringify({ format: STORE_FORMAT, clusterId })}\n`);
}
