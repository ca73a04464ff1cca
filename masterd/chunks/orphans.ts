// Replicas of chunks that the catalog does not know. Most are what a server missed while it was away; but they are also
// what everything looks like to a master that has forgotten (F22, F24) or was restored from a backup (F30). So they
// wait; and when they are many, or the catalog may be older than they are, they wait for a human.
import { RemoteError } from "../../chunkd/protocol/errors.ts";
import { ChunkOp, type ChunkReport } from "../../chunkd/protocol/messages.ts";
import type { ChunkParts } from "./parts.ts";

export const ORPHAN_GRACE_MS = 60 * 60_000;
/** So many orphans are removed without comparing; above it they must be fewer than the chunks that are known. */
const ORPHANS_UNCOMPARED_MAX = 64;
/** Orphans removed in one tick. */
const REMOVALS_PER_TICK = 32;

/** Why orphans are kept until the operator has said what is to become of them. */
export type OrphanHold = "catalog-restored" | "too-many";

export interface OrphanStatus {
  /** Replicas of unknown chunks, over all servers, and the sum of their lengths. */
  count: number;
  bytes: number;
  held: OrphanHold | null;
}

interface Orphan {
  /** When it was first reported, monotonic ms. */
  sinceMs: number;
  length: number;
}

export class Orphans {
  /** By server, by handle. */
  private readonly seen = new Map<string, Map<number, Orphan>>();
  /** Of servers whose full report is under way: what they told before it and have not told again. */
  private readonly unconfirmed = new Map<string, Set<number>>();
  /** The operator has said that these may go, however many they are. */
  private readonly discarded = new Set<Orphan>();
  private warned: OrphanHold | undefined;
  private removing: Promise<void> | undefined;

  constructor(
    private readonly parts: ChunkParts,
    private readonly graceMs = ORPHAN_GRACE_MS,
  ) {}

  status(): OrphanStatus {
    let count = 0;
    let bytes = 0;
    for (const orphans of this.seen.values()) {
      for (const { length } of orphans.values()) {
        count++;
        bytes += length;
      }
    }
    return { count, bytes, held: count === 0 ? null : (this.hold(count) ?? null) };
  }

  /** Server `id` begins a full report. */
  beginReport(id: string): void {
    this.unconfirmed.set(id, new Set(this.seen.get(id)?.keys()));
  }

  /** Server `id` reported a chunk that the catalog does not know. The first report starts the grace. */
  report(id: string, { handle, length }: ChunkReport): void {
    const orphans = this.seen.get(id) ?? new Map<number, Orphan>();
    this.seen.set(id, orphans);
    this.unconfirmed.get(id)?.delete(handle);
    const known = orphans.get(handle);
    if (known) known.length = length;
    else orphans.set(handle, { sinceMs: this.parts.clock.monotonic(), length });
  }

  /** What it did not tell again is not there. */
  endReport(id: string): void {
    for (const handle of this.unconfirmed.get(id) ?? [])
      this.drop(id, handle, this.seen.get(id)?.get(handle));
    this.unconfirmed.delete(id);
  }

  /** The operator's word: what is an orphan now may be removed at once. */
  async discard(): Promise<{ count: number }> {
    const { store, clock } = this.parts;
    for (const orphans of this.seen.values())
      for (const orphan of orphans.values()) this.discarded.add(orphan);
    const { count } = this.status();
    if (this.restored) {
      await store.submit<"holdOrphans">({ type: "holdOrphans", hold: false, at: clock.now() });
    }
    return { count };
  }

  private get restored(): boolean {
    return this.parts.store.catalog.database.meta.orphansHeldSince > 0;
  }

  private hold(count: number): OrphanHold | undefined {
    if (this.restored) return "catalog-restored";
    return count > ORPHANS_UNCOMPARED_MAX && count > this.parts.directory.size ? "too-many" : undefined;
  }

  tick(): void {
    if (this.removing || this.seen.size === 0) return;
    const hold = this.hold(this.status().count);
    if (hold && hold !== this.warned) {
      this.parts.log.error("chunks on the chunkservers are unknown here: none is removed without your word", {
        ...this.status(),
      });
    }
    this.warned = hold;
    const due = this.due(hold !== undefined);
    if (due.length === 0) return;
    this.removing = this.remove(due).finally(() => {
      this.removing = undefined;
    });
  }

  private due(onlyDiscarded: boolean): { id: string; handle: number }[] {
    const { clock, directory, servers } = this.parts;
    const oldest = clock.monotonic() - this.graceMs;
    const due: { id: string; handle: number }[] = [];
    for (const [id, orphans] of this.seen) {
      const isUsable = servers.isUsable(id);
      for (const [handle, orphan] of orphans) {
        // A chunk that is being made of others is no orphan, though the catalog does not know it yet.
        if (directory.get(handle) || directory.reserved.has(handle)) this.drop(id, handle, orphan);
        else if (!isUsable) continue;
        else if (this.discarded.has(orphan) || (!onlyDiscarded && orphan.sinceMs <= oldest)) {
          due.push({ id, handle });
        }
        if (due.length >= REMOVALS_PER_TICK) return due;
      }
      if (orphans.size === 0) this.seen.delete(id);
    }
    return due;
  }

  private drop(id: string, handle: number, orphan: Orphan | undefined): void {
    if (orphan) this.discarded.delete(orphan);
    this.seen.get(id)?.delete(handle);
  }

  private async remove(due: readonly { id: string; handle: number }[]): Promise<void> {
    const { servers, log } = this.parts;
    await Promise.all(
      due.map(async ({ id, handle }) => {
        try {
          await servers.call(id, ChunkOp.remove, { handle });
        } catch (error) {
          if (!(error instanceof RemoteError && error.code === "NO_SUCH_CHUNK")) return;
        }
        this.drop(id, handle, this.seen.get(id)?.get(handle));
        log.info("removed an orphan", { server: id, handle });
      }),
    );
  }

  async close(): Promise<void> {
    await this.removing;
  }
}
