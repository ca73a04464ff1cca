// Garbage: chunks that nothing refers to. Each is first marked in the journal, so that no commit can refer to it any
// more; its replicas go after a grace; it is forgotten when every server that could have one has confirmed.
//
// How short may the times be? No answered commit can be untrue whatever they are: a commit is refused (STALE_EXTENT) when
// a chunk of its extents is marked or forgotten, a chunk is marked only while nothing refers to it, and both are decided
// in the journal's one order; a replica is removed only behind the durable mark, and handles are never used again. So:
//  - the margin between seal and mark protects uploads under way from being refused, not data. Writers say which
//    sealed chunks they still mean to commit (uncommitted.ts), every half lease at most; a word holds for WORD_MS. The margin
//    covers what a word cannot: one that is on its way, and a master that has just started and heard none.
//  - the grace between mark and removal protects readers that were told the locations before, nothing else.
// Both are generous while there is room, and a minute or less when the disks are nearly full.
import { RemoteError } from "../../chunkd/protocol/errors.ts";
import { ChunkOp } from "../../chunkd/protocol/messages.ts";
import { Ages } from "./ages.ts";
import type { KnownChunk } from "./directory.ts";
import type { ChunkParts } from "./parts.ts";
import { type UncommittedChunks, WORD_MS } from "./uncommitted.ts";

/** Readers that have the locations of a deleted object may finish within this. */
export const DELETE_GRACE_MS = 5 * 60_000;
/** A writer may still be about to commit what it put into a chunk, for so long after the chunk was sealed. */
export const COMMIT_MARGIN_MS = 15 * 60_000;
/** As long for a chunk that nothing ever referred to, for writers that do not say what they still mean to commit. */
export const ABANDONED_GRACE_MS = 24 * 60 * 60_000;
/** Both of the above, and the grace, when space is short. */
const SHORT_MARGIN_MS = WORD_MS;
const SHORT_GRACE_MS = 30_000;
/**
 * A server that is away may keep a chunk from being forgotten for so long; then its replica is left to the collection
 * of orphans, should it ever come back.
 */
const TOMBSTONE_MS = 7 * 24 * 60 * 60_000;
/** Chunks whose replicas are being removed at once. */
const REMOVALS_MAX = 16;
/** Deleted chunks looked at in one tick. */
const LOOKS_PER_TICK = 2_000;
/** A chunk whose servers do not answer is tried again after so long. */
const RETRY_MS = 30_000;

export interface CollectorOptions {
  deleteGraceMs?: number;
  commitMarginMs?: number;
  abandonedGraceMs?: number;
}

export class Collector {
  private readonly removing = new Map<number, Promise<void>>();
  /** By handle: not before this monotonic ms. */
  private readonly retries = new Map<number, number>();
  /** By handle: servers that have confirmed that they have no replica. */
  private readonly confirmed = new Map<number, Set<string>>();
  private readonly startedAtMs: number;
  private readonly ages: Ages;
  private cursor: Iterator<number> | undefined;
  private marking: Promise<void> | undefined;
  private stopped = false;

  constructor(
    private readonly parts: ChunkParts,
    private readonly options: CollectorOptions,
    private readonly uncommitted: UncommittedChunks,
    /** Whether what is deleted must be free soon. */
    private readonly spaceIsShort: () => boolean,
  ) {
    this.startedAtMs = parts.clock.monotonic();
    this.ages = new Ages(parts.clock);
  }

  tick(): void {
    if (this.stopped) return;
    this.uncommitted.expire();
    this.marking ??= this.markDead().finally(() => {
      this.marking = undefined;
    });
    this.startRemovals();
  }

  private margins(): { margin: number; abandoned: number; grace: number } {
    const {
      commitMarginMs: margin = COMMIT_MARGIN_MS,
      abandonedGraceMs: abandoned = ABANDONED_GRACE_MS,
      deleteGraceMs: grace = DELETE_GRACE_MS,
    } = this.options;
    if (!this.spaceIsShort()) return { margin, abandoned, grace };
    return {
      margin: Math.min(margin, SHORT_MARGIN_MS),
      abandoned: Math.min(abandoned, SHORT_MARGIN_MS),
      grace: Math.min(grace, SHORT_GRACE_MS),
    };
  }

  private async markDead(): Promise<void> {
    const { store, clock, log } = this.parts;
    // A restored catalog does not know what was committed to these chunks behind its backup.
    if (store.catalog.database.meta.orphansHeldSince > 0) return;
    const { margin, abandoned } = this.margins();
    // Writers have not had the time to say what they still mean to commit.
    if (clock.monotonic() - this.startedAtMs < Math.min(margin, WORD_MS)) return;
    // What looks dead may hold what was committed after the backup that the catalog was restored from (F30).
    if (store.catalog.database.meta.orphansHeldSince > 0) return;
    const at = clock.now();
    const { ages } = this;
    const borders = [ages.before(margin), ages.before(abandoned)] as const;
    const future = [ages.futureFrom(margin), ages.futureFrom(abandoned)] as const;
    try {
      const dead = await store.read("all", ({ chunks }) => chunks.dead(...borders, ...future));
      const handles = dead.filter((handle) => !this.uncommitted.has(handle));
      if (handles.length === 0) return;
      await store.submit<"deleteChunks">({ type: "deleteChunks", handles, at });
      log.info("chunks without live data are to be deleted", { chunks: handles.length });
    } catch (error) {
      // A commit came in between, or the store is stopping: the next tick looks again.
      log.debug("dead chunks were not marked", { error: String(error) });
    }
  }

  private startRemovals(): void {
    const { directory, clock } = this.parts;
    const { grace } = this.margins();
    for (const handle of this.deletingOnes()) {
      if (this.removing.size >= REMOVALS_MAX) return;
      const chunk = directory.get(handle)!;
      const isDue =
        this.ages.isOlder(chunk.changedAt, grace) && (this.retries.get(handle) ?? 0) <= clock.monotonic();
      if (!isDue || this.removing.has(handle)) continue;
      this.removing.set(
        handle,
        this.remove(chunk).finally(() => {
          this.removing.delete(handle);
          this.startRemovalsUnlessStopped();
        }),
      );
    }
  }

  /** Some of the deleted chunks, going on where the last look ended. */
  private *deletingOnes(): Iterable<number> {
    const { deleting } = this.parts.directory;
    for (let looks = Math.min(LOOKS_PER_TICK, deleting.size); looks > 0; looks--) {
      this.cursor ??= deleting.values();
      const next = this.cursor.next();
      if (next.done) this.cursor = undefined;
      else yield next.value;
    }
  }

  private startRemovalsUnlessStopped(): void {
    if (!this.stopped) this.startRemovals();
  }

  private async remove(chunk: KnownChunk): Promise<void> {
    const { store, clock, directory, log } = this.parts;
    const { handle } = chunk;
    const holders = new Set([...chunk.members, ...chunk.replicas.keys()]);
    const confirmed = this.confirmed.get(handle) ?? new Set();
    this.confirmed.set(handle, confirmed);
    await Promise.all(
      [...holders].map(async (id) => {
        if (confirmed.has(id) || !(await this.removeFrom(id, handle))) return;
        confirmed.add(id);
        directory.dropReplica(handle, id);
      }),
    );
    const isGone = [...holders].every((id) => confirmed.has(id) || this.needNotConfirm(id, chunk));
    try {
      if (isGone)
        await store.submit<"forgetChunks">({ type: "forgetChunks", handles: [handle], at: clock.now() });
    } catch (error) {
      log.debug("a deleted chunk was not forgotten yet", { handle, error: String(error) });
    }
    if (directory.get(handle)) {
      this.retries.set(handle, clock.monotonic() + RETRY_MS);
    } else {
      this.retries.delete(handle);
      this.confirmed.delete(handle);
    }
  }

  /** One that the operator has removed, or that has been away for so long that nobody waits for it. */
  private needNotConfirm(id: string, chunk: KnownChunk): boolean {
    const { servers } = this.parts;
    if (servers.state(id) === "removed") return true;
    return servers.isGone(id) && this.ages.isOlder(chunk.changedAt, TOMBSTONE_MS);
  }

  private async removeFrom(id: string, handle: number): Promise<boolean> {
    try {
      await this.parts.servers.call(id, ChunkOp.remove, { handle });
      return true;
    } catch (error) {
      return error instanceof RemoteError && error.code === "NO_SUCH_CHUNK";
    }
  }

  /** A server has come back, or was removed: what waits for its word need not wait longer. */
  hurry(): void {
    this.retries.clear();
  }

  async close(): Promise<void> {
    this.stopped = true;
    await Promise.allSettled([this.marking, ...this.removing.values()]);
  }
}
