import type { Log } from "../../std/log.ts";

/** What a file in the directory turned out to be at start (chunkd/FORMAT.md, "What is done with damage"). */
export type FileKind =
  | "sealed"
  | "unsealed"
  | "tornTail" // unsealed, with bytes behind its last record that are none
  | "holed" // unsealed, with whole records behind a bad place
  | "damagedHeader"
  | "unreadable"
  | "foreignHandle" // renamed, or another chunk's
  | "foreignCluster"
  | "newerFormat"
  | "notAChunk"
  | "keptAside"
  | "unfinishedCopy" // removed
  | "unfinishedCreation"; // removed

/** Files of one kind that are named in the log; the rest are only counted. */
const NAMED_MAX = 20;
const GOOD: ReadonlySet<FileKind> = new Set(["sealed", "unsealed", "unfinishedCopy", "unfinishedCreation"]);

/** Counts what was found, and reports it in one line. */
export class Findings {
  private readonly counts = new Map<FileKind, number>();

  constructor(private readonly log: Log) {}

  /** `detail` of a good kind is not logged. */
  add(kind: FileKind, path: string, detail?: Record<string, string | number>): void {
    const count = (this.counts.get(kind) ?? 0) + 1;
    this.counts.set(kind, count);
    if (!GOOD.has(kind) && count <= NAMED_MAX) {
      this.log.warn("found at start", { kind, path, ...detail });
    }
  }

  /** The line that sums up; a warning when anything is not as it should be. */
  report(directory: string, ms: number): void {
    const counts = Object.fromEntries([...this.counts].sort(([a], [b]) => (a < b ? -1 : 1)));
    const isGood = [...this.counts.keys()].every((kind) => GOOD.has(kind));
    const fields = { directory, ms: Math.round(ms), ...counts };
    if (isGood) this.log.info("looked through the chunk files", fields);
    else this.log.warn("looked through the chunk files: not all are as they should be", fields);
  }
}
