// A directory as it was at one moment, to be put back later: what an operator does who copies files.
import type { SimDisk } from "./disk.ts";

/** Bytes of files, by path. */
export type DiskImage = ReadonlyMap<string, Uint8Array>;

/** The files below `directory`; no program may be running there. */
export function imageOf(disk: SimDisk, directory: string): DiskImage {
  const paths = disk.list().filter(({ path }) => path.startsWith(`${directory}/`));
  return new Map(paths.map(({ path }) => [path, Buffer.from(disk.contentOf(path))]));
}

/** The files of `image` in place of those that `directory` has now. */
export function putBack(disk: SimDisk, directory: string, image: DiskImage): void {
  for (const { path } of disk.list()) if (path.startsWith(`${directory}/`)) disk.destroy(path);
  for (const [path, bytes] of image) disk.put(path, bytes);
}
