// Compaction of packed chunks: what is live in a chunk of much garbage goes into a new one, and the old one becomes
// garbage as a whole.
//
//  1 the scan finds chunks with much garbage, the sweep what is live in them
//  2 each holder of a whole replica builds the new chunk from its own file; no byte crosses the network
//  3 at least two must have built the same, byte for byte; then the new chunk is journalled, sealed
//  4 objects and parts that still refer to the old extents are pointed to the new ones, a batch at a time
//  5 when nothing refers to the old chunk any more the collector takes it, after its grace: readers may finish
//
// After a crash at any step there is nothing to undo. Before 3 the new chunk is an orphan; behind it, it is a chunk like
// any other, live as far as step 4 has come, and what the old one still has is found by the next sweep.
import { ChunkOp, COMPACT_EXTENTS_MAX } from "../../chunkd/protocol/messages.ts";
import { CHUNK_HEADER_SIZE } from "../../chunkd/protocol/record.ts";
import type { SealedRow } from "../catalog/chunk-table.ts";
import { MasterError } from "../store/errors.ts";
import { COMMIT_MARGIN_MS } from "./collector.ts";
import { askToCompact, type CompactAnswer, type Compacted, recordBytes } from "./compact-call.ts";
import { isWhole } from "./directory.ts";
import { type LiveContent, type LiveExtent, sweepExtents } from "./extent-sweep.ts";
import { deadBytes, type GarbageTotals, scanGarbage } from "./garbage-scan.ts";
import { moveBatches } from "./move-batches.ts";
import { Pacer } from "./pacer.ts";
import type { ChunkParts } from "./parts.ts";
import { REPLICAS_MIN } from "./placement.ts";
import { RateLimit } from "./rate-limit.ts";
import { type UncommittedChunks, WORD_MS } from "./uncommitted.ts";

/** A chunk is worth it when so much of it is garbage, as a share and in bytes. */
export const COMPACT_RATIO = 0.3;
export const COMPACT_BYTES_MIN = 8 << 20;
/** The same when space is short. */
const SHORT_RATIO = 0.1;
const SHORT_BYTES_MIN = 1 << 20;
/** A sweep over all objects at most so often; when space is short, each minute. */
export const COMPACT_EVERY_MS = 10 * 60_000;
const SHORT_EVERY_MS = 60_000;
/** How often the chunk table is looked over. */
const SCAN_EVERY_MS = 30_000;
/** Chunks of one sweep. */
const CANDIDATES_MAX = 64;
/** Read by each holder. */
const COMPACT_BYTES_PER_SECOND = 64 << 20;
/** The version of a chunk that was never appended to: as if it had been opened at 1 and fenced. */
const SEALED_VERSION = 2;
/** Verdicts kept; the oldest give way. */
const VERDICTS_MAX = 100_000;

export interface CompactorOptions {
  compactRatio?: number;
  compactBytesMin?: number;
  compactEveryMs?: number;
  commitMarginMs?: number;
}

/** What the holders have built. */
interface Built {
  compacted: Compacted;
  members: string[];
}

/** Errors of a chunkserver that say nothing about the chunk; undefined: no answer. */
function mayWorkLater(code: string | undefined): boolean {
  return code === undefined || ["NO_SPACE", "OVERLOADED", "DISK_FAILED", "NO_SUCH_CHUNK"].includes(code);
}

export interface CompactorHelp {
  newHandle(): number;
  uncommitted: UncommittedChunks;
  spaceIsShort(): boolean;
}

export class Compactor {
  totals: GarbageTotals = { storedBytes: 0, liveBytes: 0, deadBytes: 0 };
  /** Chunks being compacted now; those that were since the start, and what that frees. */
  compacting = 0;
  compacted = 0;
  compactedBytes = 0;
  private readonly pacer: Pacer;
  private readonly rate: RateLimit;
  /** By handle: how much was live when a closer look showed that the chunk is not worth it. */
  private readonly verdicts = new Map<number, number>();
  private running: Promise<void> | undefined;
  private nextScanMs = 0;
  private nextSweepMs = 0;

  constructor(
    private readonly parts: ChunkParts,
    private readonly options: CompactorOptions,
    private readonly help: CompactorHelp,
  ) {
    this.pacer = new Pacer(parts.clock);
    this.rate = new RateLimit(parts.clock, COMPACT_BYTES_PER_SECOND);
  }

  tick(): void {
    const { clock, log } = this.parts;
    if (this.running || this.pacer.stopped || clock.monotonic() < this.nextScanMs) return;
    this.nextScanMs = clock.monotonic() + Math.min(SCAN_EVERY_MS, this.everyMs());
    this.running = this.run()
      .catch((error: Error) => log.warn("a compaction ended early", { error: String(error) }))
      .finally(() => {
        this.running = undefined;
      });
  }

  private everyMs(): number {
    const { compactEveryMs = COMPACT_EVERY_MS } = this.options;
    return this.help.spaceIsShort() ? Math.min(compactEveryMs, SHORT_EVERY_MS) : compactEveryMs;
  }

  /** How much garbage makes a chunk of `length` bytes worth it. */
  private threshold(length: number): number {
    const isShort = this.help.spaceIsShort();
    const { compactRatio = COMPACT_RATIO, compactBytesMin = COMPACT_BYTES_MIN } = this.options;
    const ratio = isShort ? Math.min(compactRatio, SHORT_RATIO) : compactRatio;
    const bytesMin = isShort ? Math.min(compactBytesMin, SHORT_BYTES_MIN) : compactBytesMin;
    return Math.max(bytesMin, ratio * length);
  }

  private async run(): Promise<void> {
    const { store, clock } = this.parts;
    this.pacer.begin();
    const isCandidate = (row: SealedRow): boolean => this.isCandidate(row);
    const { totals, candidates } = await scanGarbage(store, this.pacer, isCandidate, CANDIDATES_MAX);
    if (this.pacer.stopped) return;
    this.totals = totals;
    const isRestored = store.catalog.database.meta.orphansHeldSince > 0;
    if (isRestored || candidates.length === 0 || clock.monotonic() < this.nextSweepMs) return;
    const contents = await sweepExtents(store, this.pacer, candidates);
    for (const content of contents) {
      while (!this.rate.open && !this.pacer.stopped) await this.pacer.pause(100);
      if (this.pacer.stopped) return;
      await this.compactIfWorth(content);
    }
    this.nextSweepMs = clock.monotonic() + this.everyMs();
  }

  /** Nobody may be about to commit something there, which a compaction could not know of. */
  private isCandidate(row: SealedRow): boolean {
    const { clock } = this.parts;
    const { commitMarginMs = COMMIT_MARGIN_MS } = this.options;
    const margin = this.help.spaceIsShort() ? Math.min(commitMarginMs, WORD_MS) : commitMarginMs;
    if (row.changedAt > clock.now() - margin || this.help.uncommitted.has(row.handle)) return false;
    if (deadBytes(row) < this.threshold(row.length)) return false;
    const judgedAt = this.verdicts.get(row.handle);
    return (
      (judgedAt === undefined || judgedAt - row.live >= this.threshold(row.length) / 2) && this.isFit(row)
    );
  }

  private isFit({ handle }: SealedRow): boolean {
    return this.holders(handle).length >= REPLICAS_MIN;
  }

  /** Servers that can build the new chunk and may keep it. */
  private holders(handle: number): string[] {
    const { directory, servers } = this.parts;
    const chunk = directory.get(handle);
    if (!chunk) return [];
    return [...chunk.replicas]
      .filter(([id, replica]) => isWhole(chunk, replica) && !replica.damaged && servers.takesReplicas(id))
      .map(([id]) => id);
  }

  private async compactIfWorth(content: LiveContent): Promise<void> {
    const { row } = content;
    const extents = content.ordered();
    if (extents?.length === 0) return; // the collector's
    const isPossible = extents !== undefined && extents.length <= COMPACT_EXTENTS_MAX;
    const garbage = isPossible ? row.length - CHUNK_HEADER_SIZE - recordBytes(extents) : 0;
    if (!isPossible || garbage < this.threshold(row.length)) {
      this.judge(row);
      return;
    }
    this.compacting++;
    try {
      this.rate.take(row.length);
      if (!(await this.compact(content, extents))) return;
      this.compacted++;
      this.compactedBytes += garbage;
    } finally {
      this.compacting--;
    }
  }

  private judge({ handle, live }: SealedRow): void {
    this.verdicts.delete(handle);
    this.verdicts.set(handle, live);
    if (this.verdicts.size > VERDICTS_MAX) this.verdicts.delete(this.verdicts.keys().next().value!);
  }

  /** Returns whether the old chunk is to go. */
  private async compact(content: LiveContent, extents: LiveExtent[]): Promise<boolean> {
    const { directory, servers, log } = this.parts;
    const source = directory.get(content.row.handle);
    const holders = this.holders(content.row.handle);
    if (source?.state !== "sealed" || holders.length < REPLICAS_MIN) return false;
    const { handle, version, length } = source;
    const target = this.help.newHandle();
    directory.reserved.add(target);
    try {
      const request = { source: handle, sourceVersion: version, sourceLength: length, target };
      const answers = await askToCompact(servers, holders, { ...request, version: SEALED_VERSION }, extents);
      const built = this.agreed(content, answers);
      const isKept = built !== undefined && (await this.journal(handle, target, built));
      if (!isKept) {
        await this.discard(holders, target);
        return false;
      }
      log.info("compacted a chunk", { source: handle, target, from: length, to: built.compacted.length });
      await this.move(content, target, built.compacted);
      return true;
    } finally {
      directory.reserved.delete(target);
    }
  }

  /** Returns whether the new chunk is in the catalog. */
  private async journal(
    source: number,
    target: number,
    { compacted: { length }, members }: Built,
  ): Promise<boolean> {
    const { store, clock, log } = this.parts;
    const chunk = { handle: target, source, version: SEALED_VERSION, length, members };
    try {
      await store.submit<"addCompacted">({ type: "addCompacted", ...chunk, at: clock.now() });
      return true;
    } catch (error) {
      if (!(error instanceof MasterError) || error.code === "NOT_READY") throw error;
      log.warn("a compacted chunk was not taken", { source, error: String(error) });
      return false;
    }
  }

  private async move(content: LiveContent, target: number, { extents }: Compacted): Promise<void> {
    const { store, clock } = this.parts;
    const source = content.row.handle;
    for (const batch of moveBatches(content, extents)) {
      if (this.pacer.stopped) return;
      this.help.uncommitted.note([target]); // the collector leaves it alone meanwhile
      await store.submit<"moveExtents">({ type: "moveExtents", source, target, ...batch, at: clock.now() });
      await this.pacer.pause();
    }
  }

  /** What at least two holders have built alike; none may have built something else. */
  private agreed({ row }: LiveContent, answers: readonly CompactAnswer[]): Built | undefined {
    const { directory, log } = this.parts;
    const done = answers.filter((answer) => answer.kind === "done");
    for (const answer of answers) {
      if (answer.kind === "done") continue;
      log.warn("a holder could not compact", {
        handle: row.handle,
        server: answer.id,
        error: String(answer.error),
      });
      if (answer.code === "CHECKSUM") directory.markDamaged(row.handle, answer.id);
    }
    // As long as no less of it is live it would be refused again.
    const isRefused = answers.some((answer) => answer.kind === "failed" && !mayWorkLater(answer.code));
    if (done.length < REPLICAS_MIN && isRefused) this.judge(row);
    const [first] = done;
    const isAlike = done.every(({ body }) => first!.body.equals(body));
    if (done.length > 0 && !isAlike) {
      log.error("replicas of one chunk gave different compactions: it is left alone", { handle: row.handle });
      this.judge(row);
      return undefined;
    }
    if (done.length < REPLICAS_MIN || !first) return undefined;
    return { compacted: first.compacted, members: done.map(({ id }) => id) };
  }

  /** The new chunk is not wanted. Where this does not arrive it is an orphan. */
  private async discard(holders: readonly string[], target: number): Promise<void> {
    const { servers } = this.parts;
    await Promise.allSettled(holders.map((id) => servers.call(id, ChunkOp.remove, { handle: target })));
  }

  async close(): Promise<void> {
    this.pacer.stop();
    await this.running;
  }
}
