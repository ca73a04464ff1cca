import * as fs from "node:fs/promises";
import { dirname } from "node:path";

/** A number that makes names of temporary files unique within this process. */
let written = 0;

/**
 * Replaces the file at `path` by `content`, atomically and durably: after a crash it is wholly the old or the new one.
 * `mode` is the file's mode from its first byte on (0o600 for secrets). Rejects with Node's errors.
 */
export async function writeDurably(path: string, content: string | Uint8Array, mode: number): Promise<void> {
  const temporary = `${path}.${process.pid}.${++written}.new`;
  try {
    const file = await fs.open(temporary, "wx", mode);
    try {
      await file.writeFile(content);
      await file.sync();
    } finally {
      await file.close();
    }
    await fs.rename(temporary, path);
  } catch (error) {
    await fs.rm(temporary, { force: true });
    throw error;
  }
  await syncDirectory(dirname(path));
}

/** Makes the names in `directory` durable. */
export async function syncDirectory(directory: string): Promise<void> {
  const handle = await fs.open(directory, "r");
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
