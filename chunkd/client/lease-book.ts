import { assert } from "../../std/assert.ts";
import type { Clock, Timer } from "../../std/clock.ts";
import type { Log } from "../../std/log.ts";
import { RemoteError } from "../protocol/errors.ts";
import { describe } from "./errors.ts";
import type { ChunkLease, LeaseSource } from "./leases.ts";
import { OpenChunk } from "./open-chunk.ts";
import type { ConnectionPool } from "./pool.ts";

/** An open chunk that nobody appended to for this long is handed back, so that it gets sealed. */
const IDLE_MS = 60_000;
/** A lease counts as over this long before it is, for the way to the primary and clocks that run unevenly, ms. */
const LEASE_MARGIN_MS = 2_000;
/** What is not committed yet is told again after this, ms: the master believes it for four times as long. */
const UNCOMMITTED_MS = 15_000;
/** Handles in one call. */
const UNCOMMITTED_MAX = 10_000;
const TICK_MS_MIN = 250;
const TICK_MS_MAX = 5_000;

/** Every chunk this process may append to: opens, renews and hands back their leases. */
export class LeaseBook {
  private readonly chunks = new Map<number, OpenChunk>();
  private givenBack: number[] = [];
  private handing: Promise<void> | undefined;
  private renewing = false;
  private timer: Timer | undefined;
  private closed = false;
  /** When the master was last told what is uncommitted, monotonic ms. */
  private toldAt = Number.NEGATIVE_INFINITY;

  constructor(
    private readonly env: { clock: Clock; log: Log },
    private readonly source: LeaseSource,
    private readonly pool: ConnectionPool,
    /** Chunks, leased or not, with data that may yet be committed. */
    private readonly uncommitted: () => ReadonlySet<number> = () => new Set(),
  ) {}

  /** Leases not handed back yet. */
  get size(): number {
    return this.chunks.size;
  }

  /** Opens at least one chunk, up to `count`. Rejects with the master's error. */
  async open(count: number): Promise<OpenChunk[]> {
    assert(count > 0, "opening no chunk has no answer");
    const askedAt = this.env.clock.monotonic();
    const { leases } = await this.source.openChunks({ count });
    if (leases.length === 0) throw new RemoteError("NOT_ENOUGH_SERVERS", "the master opened no chunk");
    const opened = leases.map((lease) => {
      const chunk = new OpenChunk(
        lease,
        usableUntil(lease, askedAt),
        this.pool,
        () => this.env.clock.monotonic(),
        (drained) => this.giveBack(drained),
      );
      this.chunks.set(lease.handle, chunk);
      return chunk;
    });
    // Leases that were on their way when the book was closed go back at once.
    if (this.closed) for (const chunk of opened) chunk.retire();
    this.schedule();
    return opened;
  }

  /** Retires every chunk and waits until the master was told. Appends under way must have been ended before. */
  async close(): Promise<void> {
    this.closed = true;
    this.timer?.cancel();
    for (const chunk of this.chunks.values()) chunk.retire();
    while (this.handing) await this.handing;
  }

  /** Chunks that are drained in one turn of the event loop go back in one call. */
  private giveBack(chunk: OpenChunk): void {
    if (!this.chunks.delete(chunk.handle)) return;
    this.givenBack.push(chunk.handle);
    this.handing ??= Promise.resolve()
      .then(() => this.handBack())
      .finally(() => {
        this.handing = undefined;
      });
  }

  private async handBack(): Promise<void> {
    while (this.givenBack.length > 0) {
      const handles = this.givenBack;
      this.givenBack = [];
      try {
        await this.source.closeChunks({ handles });
      } catch (error) {
        // Not asked again: the master seals a chunk by itself when its lease runs out.
        this.env.log.warn("chunks could not be handed back", {
          chunks: handles.length,
          cause: describe(error),
        });
      }
    }
  }

  /** Looks again well before the lease that ends first does. */
  private schedule(): void {
    if (this.closed || this.timer || (this.chunks.size === 0 && this.uncommitted().size === 0)) return;
    const now = this.env.clock.monotonic();
    let leftMs = Number.POSITIVE_INFINITY;
    for (const chunk of this.chunks.values()) leftMs = Math.min(leftMs, chunk.usableUntil - now);
    const tickMs = Math.max(TICK_MS_MIN, Math.min(TICK_MS_MAX, leftMs / 3));
    this.timer = this.env.clock.after(tickMs, () => {
      this.timer = undefined;
      this.tick();
      this.schedule();
    });
  }

  private tick(): void {
    const now = this.env.clock.monotonic();
    const due: OpenChunk[] = [];
    for (const chunk of this.chunks.values()) {
      const isIdle = chunk.inFlight === 0 && now - chunk.usedAt >= IDLE_MS;
      if (now >= chunk.usableUntil || isIdle) chunk.retire();
      else if (!chunk.retired && chunk.usableUntil - now < chunk.lease.validForMs / 2) due.push(chunk);
    }
    const mustTell = now - this.toldAt >= UNCOMMITTED_MS && this.uncommitted().size > 0;
    if ((due.length > 0 || mustTell) && !this.renewing) void this.renew(due);
  }

  private async renew(due: OpenChunk[]): Promise<void> {
    this.renewing = true;
    try {
      await this.renewTogether(due);
    } catch (error) {
      if (!(error instanceof RemoteError)) {
        // No master: the leases stay good until they run out, and the next tick asks again.
        this.env.log.warn("leases could not be renewed", { chunks: due.length, cause: describe(error) });
        return;
      }
      // The master refuses a batch for one lease that is over: find out which.
      for (const chunk of due) await this.renewAlone(chunk);
    } finally {
      this.renewing = false;
    }
  }

  private async renewTogether(due: OpenChunk[]): Promise<void> {
    const askedAt = this.env.clock.monotonic();
    const handles = due.map((chunk) => chunk.handle);
    const uncommitted = [...this.uncommitted().values().take(UNCOMMITTED_MAX)];
    const request = uncommitted.length > 0 ? { handles, uncommitted } : { handles };
    const { leases } = await this.source.renewLeases(request);
    this.toldAt = askedAt;
    const renewed = new Map(leases.map((lease) => [lease.handle, lease]));
    for (const chunk of due) {
      const lease = renewed.get(chunk.handle);
      if (lease?.version === chunk.lease.version) {
        chunk.lease = lease;
        chunk.usableUntil = usableUntil(lease, askedAt);
      } else chunk.retire();
    }
  }

  private async renewAlone(chunk: OpenChunk): Promise<void> {
    try {
      await this.renewTogether([chunk]);
    } catch (error) {
      if (error instanceof RemoteError) chunk.retire();
    }
  }
}

function usableUntil(lease: ChunkLease, askedAt: number): number {
  return askedAt + lease.validForMs - Math.min(LEASE_MARGIN_MS, lease.validForMs / 4);
}
