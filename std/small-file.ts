// The small files of a storage core, on its own disk: read whole, replaced whole.
import type { Disk, DiskFile } from "./disk.ts";

/** The content of `directory/name`, or undefined when there is none. Rejects with Node's errors. */
export async function readSmallFile(
  disk: Disk,
  directory: string,
  name: string,
): Promise<string | undefined> {
  try {
    return (await disk.readFile(`${directory}/${name}`)).toString("utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
}

/** Makes `content` that of `directory/name`, durably: after a crash it is the old or the new. Rejects with Node's errors. */
export async function replaceSmallFile(
  disk: Disk,
  directory: string,
  name: string,
  content: string,
): Promise<void> {
  const path = `${directory}/${name}`;
  const temporary = `${path}.new`;
  const file = await createAnew(disk, temporary);
  try {
    await file.write([Buffer.from(content)], 0);
    await file.sync();
  } finally {
    await file.close();
  }
  await disk.rename(temporary, path);
  await disk.syncDirectory(directory);
}

/** One that a crash left is removed first. */
async function createAnew(disk: Disk, path: string): Promise<DiskFile> {
  try {
    return await disk.open(path, "create");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
    await disk.remove(path);
    return await disk.open(path, "create");
  }
}

/** The fields of a JSON object, or undefined for anything else. */
export function parseFields(text: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value === "object" && value !== null) return value as Record<string, unknown>;
  } catch {
    // Not JSON: the same as JSON of the wrong shape.
  }
  return undefined;
}
