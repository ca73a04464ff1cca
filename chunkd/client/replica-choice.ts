import type { Replica } from "../protocol/messages.ts";
import type { ConnectionPool } from "./pool.ts";

/** Where a reader asks the master. */
export interface LocationSource {
  locate(request: { handles: number[] }): Promise<{ locations: Record<number, Replica[]> }>;
  reportDamage(request: { handle: number; replica: string }): Promise<null>;
}

/** Which replicas one stream knows of, and in which order it asks them. */
export class ReplicaChoice {
  private readonly known = new Map<number, Replica[]>();
  private readonly locating = new Map<number, Promise<void>>();
  /** `handle/replica` of those that gave bytes that fail their checksum. */
  private readonly damaged = new Set<string>();

  constructor(
    given: Record<number, Replica[]>,
    private readonly source: LocationSource,
    private readonly pool: ConnectionPool,
  ) {
    for (const [handle, replicas] of Object.entries(given)) this.known.set(Number(handle), replicas);
  }

  /**
   * The replicas of a chunk, those to ask first in front: sound ones that answer, with the fewest calls of this
   * process under way; else in the master's order.
   */
  ranked(handle: number): Replica[] {
    const rank = (replica: Replica): number => {
      if (this.damaged.has(`${handle}/${replica.id}`)) return 2e6;
      const calls = this.pool.callsInFlight(replica.address);
      return this.pool.isSuspect(replica.address) ? 1e6 + calls : calls;
    };
    return (this.known.get(handle) ?? [])
      .map((replica) => ({ replica, rank: rank(replica) }))
      .sort((a, b) => a.rank - b.rank)
      .map(({ replica }) => replica);
  }

  /** Remembers a bad replica for the rest of the stream. */
  markDamaged(handle: number, replica: Replica): void {
    this.damaged.add(`${handle}/${replica.id}`);
  }

  /** Asks the master where the chunk is now; several callers share one question. Rejects with the master's error. */
  refresh(handle: number): Promise<void> {
    const locating =
      this.locating.get(handle) ?? this.locate(handle).finally(() => this.locating.delete(handle));
    this.locating.set(handle, locating);
    return locating;
  }

  private async locate(handle: number): Promise<void> {
    const { locations } = await this.source.locate({ handles: [handle] });
    const replicas = locations[handle];
    if (replicas && replicas.length > 0) this.known.set(handle, replicas);
  }
}
