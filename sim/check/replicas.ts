// What lies on the disks once everything is quiet, against what the objects refer to (P1, P7, P8).
import { extentBytes, parseChunk } from "./chunk-file.ts";
import { contentOf } from "./content.ts";
import type { History } from "./history.ts";
import type { Violation } from "./violation.ts";

/** A chunkserver's chunk directory: file name to bytes. */
export interface StoredFiles {
  server: string;
  /** Whether it runs now, and its disk is to be counted on. */
  counts: boolean;
  files: Files;
}

export interface Files {
  keys(): Iterable<string>;
  has(name: string): boolean;
  get(name: string): Buffer | undefined;
}

export interface StoredObject {
  key: string;
  etag: string;
  extents: readonly { handle: number; offset: number; length: number; checksum: number }[];
}

const fileOf = (handle: number): string => `${handle.toString(16).padStart(16, "0")}.chunk`;

/** The chunks that objects refer to, each with one of its keys. */
function referredChunks(objects: readonly StoredObject[]): Map<number, string> {
  const referred = new Map<number, string>();
  for (const { key, extents } of objects) for (const { handle } of extents) referred.set(handle, key);
  return referred;
}

/** Each chunk that an object refers to lies on `wanted` servers that count, not more and not fewer. */
export function checkCounts(
  servers: readonly StoredFiles[],
  objects: readonly StoredObject[],
  wanted: number,
): Violation[] {
  const problems: Violation[] = [];
  for (const [handle, key] of referredChunks(objects)) {
    const replicas = servers.filter(({ counts, files }) => counts && files.has(fileOf(handle)));
    if (replicas.length === wanted) continue;
    const on = replicas.map(({ server }) => server).join(", ");
    const what = `chunk ${handle} (of "${key}") has ${replicas.length} replicas after the faults, not ${wanted}`;
    problems.push({ promise: "P7", what, detail: [`on ${on}`] });
  }
  return problems;
}

/** Each replica of a chunk that an object refers to is sealed, whole, of the right chunk, and like the others. */
export function checkReplicas(
  clusterId: string,
  servers: readonly StoredFiles[],
  objects: readonly StoredObject[],
): Violation[] {
  const problems: Violation[] = [];
  for (const [handle, key] of referredChunks(objects)) {
    const replicas = servers.filter(({ counts, files }) => counts && files.has(fileOf(handle)));
    const first = replicas[0]?.files.get(fileOf(handle));
    for (const { server, files } of replicas) {
      const bytes = files.get(fileOf(handle))!;
      const wrong =
        replicaProblem(bytes, handle, clusterId) ??
        (bytes.equals(first!) ? undefined : "differs from the others");
      if (!wrong) continue;
      problems.push({
        promise: "P8",
        what: `chunk ${handle} (of "${key}") on ${server}: ${wrong}`,
        detail: [],
      });
    }
  }
  return problems;
}

/** What is wrong with the file of a sealed replica, in words. */
export function replicaProblem(bytes: Buffer, handle: number, clusterId: string): string | undefined {
  const chunk = parseChunk(bytes);
  if (!chunk) return "the header is damaged";
  if (chunk.handle !== handle) return `the file is that of chunk ${chunk.handle}`;
  if (chunk.clusterId !== clusterId) return "the file is of another cluster";
  if (chunk.problem) return chunk.problem;
  if (chunk.seal === undefined) return "it is not sealed";
  // Appended under a lease that the seal ended, or made by a compaction, all at the seal's own version.
  const versions = new Set(chunk.records.map(({ version }) => version));
  const isCompacted = versions.size === 1 && versions.has(chunk.seal);
  const late = [...versions].find((version) => version >= chunk.seal!);
  if (late === undefined || isCompacted) return undefined;
  return `a record of version ${late} under a seal of version ${chunk.seal}`;
}

/** Each object's bytes, taken from a disk by its extents alone, are the content of its etag. */
export function checkObjects(
  history: History,
  servers: readonly StoredFiles[],
  objects: readonly StoredObject[],
): Violation[] {
  const problems: Violation[] = [];
  const parsed = new Map<Buffer, ReturnType<typeof parseChunk>>();
  for (const { key, etag, extents } of objects) {
    const pieces = history.contentWith(etag);
    const expected = pieces ? contentOf(pieces) : undefined;
    for (const { server, counts, files } of servers) {
      let at = 0;
      for (const extent of extents) {
        const file = files.get(fileOf(extent.handle));
        const from = at;
        at += extent.length;
        if (!counts || !file) continue;
        if (!parsed.has(file)) parsed.set(file, parseChunk(file));
        const chunk = parsed.get(file);
        const bytes = chunk ? extentBytes(file, chunk, extent) : "the header is damaged";
        const isRight = typeof bytes !== "string" && expected?.subarray(from, at).equals(bytes);
        if (isRight) continue;
        const what = `"${key}" (${etag}) does not lie on ${server} as it was written`;
        const detail = `chunk ${extent.handle} at ${extent.offset}: ${typeof bytes === "string" ? bytes : "other bytes"}`;
        problems.push({ promise: "P1", what, detail: [detail] });
      }
    }
  }
  return problems;
}

/** A file that turned out to be another chunk's is put aside under such a name, for a human to look at. */
const KEPT = ".kept";

/** No file is left on any disk that nothing refers to. */
export function checkGarbage(servers: readonly StoredFiles[], objects: readonly StoredObject[]): Violation[] {
  const referred = new Set(objects.flatMap(({ extents }) => extents.map(({ handle }) => fileOf(handle))));
  return servers.flatMap(({ server, counts, files }) => {
    const isLeft = (name: string): boolean => !referred.has(name) && !name.endsWith(KEPT);
    const left = counts ? [...files.keys()].filter(isLeft) : [];
    if (left.length === 0) return [];
    const what = `${left.length} files that nothing refers to are left on ${server} after every grace`;
    return [{ promise: "P7" as const, what, detail: left.slice(0, 10) }];
  });
}
