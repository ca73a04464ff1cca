// Moves sealed replicas from the fullest chunkservers to the emptiest, when nothing needs repair. A move is a copy: the
// chunk then has one replica too many, and the repairer takes it from the fullest of its servers (R1 of repair-plan.ts).
import type { KnownChunk } from "./directory.ts";
import { isWhole } from "./directory.ts";
import type { ChunkParts } from "./parts.ts";
import { type Candidate, REPLICAS_WANTED, roomOn, usedShare } from "./placement.ts";
import { RateLimit } from "./rate-limit.ts";
import type { Repairer } from "./repairer.ts";
import type { ReplicaWork } from "./replica-work.ts";

/** Begins when the shares of the fullest and the emptiest are so far apart, and ends at half of that. */
export const REBALANCE_BAND = 0.1;
export const REBALANCE_BYTES_PER_SECOND = 50 << 20;
const MOVES_MAX = 2;
/** Chunks looked at in one tick, to find one that may move. */
const LOOKS_PER_TICK = 1_000;
/** After a copy that failed, ms. */
const PAUSE_MS = 10_000;

export interface RebalanceOptions {
  rebalanceBand?: number;
  rebalanceBytesPerSecond?: number;
}

interface Share {
  id: string;
  share: number;
}

export class Rebalancer {
  /** Bytes moved since the master started. */
  movedBytes = 0;
  private readonly moving = new Set<Promise<void>>();
  private readonly rate: RateLimit;
  private readonly band: number;
  private active = false;
  private notBeforeMs = 0;
  /** Where the search among the chunks of the fullest server goes on. */
  private cursor: { id: string; handles: Iterator<number> } | undefined;
  private stopped = false;

  constructor(
    private readonly parts: ChunkParts,
    private readonly repairer: Repairer,
    private readonly work: ReplicaWork,
    private readonly candidates: () => Candidate[],
    options: RebalanceOptions,
  ) {
    this.band = options.rebalanceBand ?? REBALANCE_BAND;
    this.rate = new RateLimit(parts.clock, options.rebalanceBytesPerSecond ?? REBALANCE_BYTES_PER_SECOND);
  }

  /** Moves under way. */
  get moves(): number {
    return this.moving.size;
  }

  tick(): void {
    const { clock } = this.parts;
    if (this.stopped || this.moving.size >= MOVES_MAX || clock.monotonic() < this.notBeforeMs) return;
    // Its own copies are no reason to wait; those of repairs are.
    if (this.repairer.queue.size > 0 || this.work.activeCopies > this.moving.size) return;
    if (this.repairer.holding || !this.rate.open) return;
    const shares = this.shares();
    if (shares.length <= REPLICAS_WANTED) return;
    const gap = shares.at(-1)!.share - shares[0]!.share;
    if (gap > this.band) this.active = true;
    if (gap <= this.band / 2) this.active = false;
    if (this.active) this.moveOne(shares);
  }

  /** The emptiest first, what is on its way counted. */
  private shares(): Share[] {
    const { directory } = this.parts;
    const shares = this.candidates().map((candidate) => {
      const bytes = directory.bytesOn(candidate.id) + this.work.bytesComingTo(candidate.id);
      return { id: candidate.id, share: usedShare(bytes, candidate.freeBytes) };
    });
    return shares.sort((a, b) => a.share - b.share);
  }

  private moveOne(shares: Share[]): void {
    const fullest = shares.at(-1)!;
    const rooms = new Map(this.candidates().map((candidate) => [candidate.id, roomOn(candidate)]));
    const targets = shares.filter(({ share }) => fullest.share - share > this.band / 2);
    for (const chunk of this.chunksOn(fullest.id)) {
      if (!this.mayMove(chunk, fullest.id)) continue;
      const place = targets.find(
        ({ id }) =>
          !chunk.replicas.has(id) && (rooms.get(id) ?? 0) > chunk.length + this.work.bytesComingTo(id),
      );
      const action = place && { kind: "copy" as const, source: fullest.id, target: place.id };
      if (!action || !this.work.hasRoomFor(action)) continue;
      this.move(chunk, action);
      return;
    }
  }

  /** Some chunks of `id`, going on where the last look ended. */
  private *chunksOn(id: string): Iterable<KnownChunk> {
    const { directory } = this.parts;
    const handlesNow = directory.handlesOn(id);
    for (let looks = Math.min(LOOKS_PER_TICK, handlesNow.size); looks > 0; looks--) {
      if (this.cursor?.id !== id) this.cursor = { id, handles: handlesNow.values() };
      const next = this.cursor.handles.next();
      if (next.done) {
        this.cursor = undefined;
        continue;
      }
      const chunk = directory.get(next.value);
      if (chunk) yield chunk;
    }
  }

  /** Only a chunk that has all it needs, the replica on `id` among it. */
  private mayMove(chunk: KnownChunk, id: string): boolean {
    const { servers, directory } = this.parts;
    if (chunk.state !== "sealed" || this.work.isActive(chunk.handle)) return false;
    if (directory.suspects.has(chunk.handle) || chunk.replicas.size !== REPLICAS_WANTED) return false;
    return (
      chunk.replicas.has(id) &&
      [...chunk.replicas].every(
        ([holder, replica]) => servers.takesReplicas(holder) && isWhole(chunk, replica) && !replica.damaged,
      )
    );
  }

  private move(chunk: KnownChunk, action: { kind: "copy"; source: string; target: string }): void {
    const { log, clock } = this.parts;
    const { handle, length } = chunk;
    this.rate.take(length);
    const moved = this.work
      .perform(chunk, action)
      .then(() => {
        this.movedBytes += length;
      })
      .catch((error: Error) => {
        log.warn("a replica could not be moved", { handle, ...action, error: String(error) });
        this.notBeforeMs = clock.monotonic() + PAUSE_MS;
      })
      .finally(() => this.moving.delete(moved));
    this.moving.add(moved);
  }

  async close(): Promise<void> {
    this.stopped = true;
    await Promise.allSettled(this.moving);
  }
}
