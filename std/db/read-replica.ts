// Reads that a replica of the database answers where there is one, and the primary where not.
import type { Clock } from "../clock.ts";
import type { Log } from "../log.ts";
import type { Database } from "./database.ts";

/** A replica that failed is left alone for so long, so that not every reader waits for its connection. */
const REST_MS = 10_000;

export interface ReadReplicaOptions {
  primary: Database;
  /** What it has may be older than the primary's, and never newer. */
  replica?: Database;
  clock: Clock;
  log: Log;
}

export class ReadReplica {
  private restsUntil = Number.NEGATIVE_INFINITY;

  constructor(private readonly options: ReadReplicaOptions) {}

  /** What `query` answers on the replica, or on the primary when the replica fails with whatever error. */
  async read<T>(query: (sql: Database) => Promise<T>): Promise<T> {
    const { primary, replica, clock, log } = this.options;
    if (!replica || clock.monotonic() < this.restsUntil) return query(primary);
    try {
      return await query(replica);
    } catch (error) {
      this.restsUntil = clock.monotonic() + REST_MS;
      log.warn("a read replica failed; the primary reads for it", { error: (error as Error).message });
      return query(primary);
    }
  }

  /** The one of the two that answers now: for reads that must all see the same. */
  async choose(): Promise<Database> {
    return this.read(async (sql) => {
      await sql`SELECT 1`;
      return sql;
    });
  }
}
