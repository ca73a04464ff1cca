import { mkdir, readFile, realpath } from "node:fs/promises";
import { relative, resolve, sep } from "node:path";
import { UsageError } from "../../std/config.ts";
import { writeDurably } from "../../std/durable-file.ts";
import { CommandError } from "../command.ts";
import type { DataDirectory } from "../data-directory.ts";
import type { UpConfig } from "./settings.ts";

/** Of the data directory as a whole; each part has a format of its own beside. */
const FORMAT = 1;

interface Layout {
  format: number;
  /** The directories of the chunkservers, in the order of their numbers; relative where they are inside, so that all may be moved. */
  chunkservers: string[];
}

/**
 * The chunkservers' directories, from the flags and from what was there before. Chunkservers may be added; one left
 * out would be a disk that is missing, so that is an error.
 */
export async function settleLayout(data: DataDirectory, config: UpConfig): Promise<string[]> {
  // First of all a mark that this directory is ours, so that an interrupted first start can go on.
  const before = (await readLayout(data)) ?? (await writeLayout(data, []));
  const wanted = config.disk.length > 0 ? await resolveDisks(config.disk) : defaultDirectories(data, config);
  const left = before.filter((directory) => !wanted.includes(directory));
  if (left.length > 0) throw new CommandError(explainMissing(data, before, left));
  // The earlier ones first, so that a chunkserver keeps its number.
  const directories = [...before, ...wanted.filter((directory) => !before.includes(directory))];
  for (const directory of directories) await prepare(directory);
  if (directories.length !== before.length) await writeLayout(data, directories);
  return directories;
}

/** Marks a directory that has nothing yet as ours. */
export async function markNew(data: DataDirectory): Promise<void> {
  if (!(await data.exists())) await writeLayout(data, []);
}

async function writeLayout(data: DataDirectory, directories: string[]): Promise<string[]> {
  const kept = directories.map((path) => (isInside(data, path) ? relative(data.path, path) : path));
  const layout: Layout = { format: FORMAT, chunkservers: kept };
  await writeDurably(data.layoutFile, `${JSON.stringify(layout, null, 2)}\n`, 0o600);
  return directories;
}

async function readLayout(data: DataDirectory): Promise<string[] | undefined> {
  let text: string;
  try {
    text = await readFile(data.layoutFile, "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
  const layout = parseLayout(text);
  if (layout?.format === FORMAT && Array.isArray(layout.chunkservers)) {
    return layout.chunkservers.map((directory) => resolve(data.path, directory));
  }
  const found = layout ? `format ${layout.format}` : "a damaged layout.json";
  throw new CommandError(`${data.path} has ${found}; this version of skerry knows format ${FORMAT}`);
}

function parseLayout(text: string): Partial<Layout> | undefined {
  try {
    return JSON.parse(text) as Partial<Layout>;
  } catch {
    return undefined;
  }
}

function defaultDirectories(data: DataDirectory, config: UpConfig): string[] {
  return Array.from({ length: config.chunkservers }, (_, index) => data.at(`chunkd-${index + 1}`));
}

/** Two names of one directory would put two replicas on one disk, and two processes on one set of files. */
async function resolveDisks(disks: readonly string[]): Promise<string[]> {
  const resolved: string[] = [];
  for (const disk of disks) {
    const path = resolve(disk);
    await prepare(path);
    const real = await realpath(path);
    if (resolved.includes(real)) throw new UsageError(`--disk ${disk} names a directory that is given twice`);
    resolved.push(real);
  }
  return resolved;
}

async function prepare(directory: string): Promise<void> {
  try {
    await mkdir(directory, { recursive: true, mode: 0o700 });
  } catch (error) {
    throw new CommandError(`cannot use ${directory} for chunks: ${(error as Error).message}`);
  }
}

function isInside(data: DataDirectory, directory: string): boolean {
  return directory.startsWith(data.path + sep);
}

function explainMissing(data: DataDirectory, before: string[], left: string[]): string {
  const own = before.every((directory) => isInside(data, directory));
  const way = own
    ? `--chunkservers ${before.length}`
    : before.map((directory) => `--disk ${directory}`).join(" ");
  return `${data.path} was made with ${before.length} chunkservers; ${left.join(", ")} would be left out. Start it with ${way}`;
}
