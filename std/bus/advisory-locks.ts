// Session advisory locks of one database, all in one connection. PostgreSQL gives them back when the connection ends, so
// that a killed process is followed at once. The connection is kept inside a transaction: the driver tells its end only there.
import type { TransactionSql } from "postgres";
import type { Clock } from "../clock.ts";
import type { Database } from "../db/database.ts";
import type { Log } from "../log.ts";
import type { Hold } from "./carrier.ts";
import { pause } from "./waiting.ts";

/** How often a lock that another process has is asked for, and a server that is away. */
const RETRY_MS = 500;

export class AdvisoryLocks {
  private session: Promise<Session> | undefined;

  constructor(
    private readonly sql: Database,
    private readonly clock: Clock,
    private readonly log: Log,
  ) {}

  /** Waits for the lock `name`; undefined when `signal` is aborted first. */
  async hold(name: string, signal: AbortSignal): Promise<Hold | undefined> {
    while (!signal.aborted) {
      try {
        this.session ??= this.open();
        const hold = await (await this.session).tryHold(name);
        if (hold && !signal.aborted) return hold;
        await hold?.release();
      } catch (error) {
        this.log.warn("cannot ask for a lock; trying again", { name, error: (error as Error).message });
      }
      await pause(this.clock, RETRY_MS, signal);
    }
    return undefined;
  }

  async close(): Promise<void> {
    const session = await this.session?.catch(() => undefined);
    await session?.close();
  }

  private async open(): Promise<Session> {
    try {
      return await openSession(this.sql, () => {
        this.session = undefined;
      });
    } catch (error) {
      this.session = undefined;
      throw error;
    }
  }
}

class Session {
  private readonly ended = new AbortController();
  private readonly closing = Promise.withResolvers<void>();
  /** PostgreSQL would give its session a lock twice. */
  private readonly held = new Set<string>();

  constructor(
    private readonly sql: Database,
    private readonly transaction: TransactionSql,
    private readonly pid: number,
    readonly done: Promise<void>,
  ) {}

  /**
   * The work of the transaction: none until it is closed. After a lost connection it never ends: the driver would write the end
   * of the transaction to a socket that is gone, and fail outside of every promise.
   */
  async lasts(): Promise<void> {
    await this.closing.promise;
    await this.transaction`SELECT pg_advisory_unlock_all()`;
  }

  end(): void {
    this.ended.abort();
  }

  async close(): Promise<void> {
    this.closing.resolve();
    await this.done;
  }

  async tryHold(name: string): Promise<Hold | undefined> {
    if (this.held.has(name) || this.ended.signal.aborted) return undefined;
    this.held.add(name);
    try {
      const [row] = await this.transaction<{ locked: boolean }[]>`
        SELECT pg_try_advisory_lock(hashtextextended(${name}, 0)) AS locked`;
      if (row?.locked) return { lost: this.ended.signal, release: () => this.release(name) };
    } catch (error) {
      await this.terminate();
      throw error;
    }
    this.held.delete(name);
    return undefined;
  }

  private async release(name: string): Promise<void> {
    if (this.ended.signal.aborted) return;
    try {
      await this.transaction`SELECT pg_advisory_unlock(hashtextextended(${name}, 0))`;
      this.held.delete(name);
    } catch {
      await this.terminate();
    }
  }

  /** After a statement that failed, the transaction takes no other; only the end of the connection gives the locks back. */
  private async terminate(): Promise<void> {
    await this.sql`SELECT pg_terminate_backend(${this.pid})`.catch(() => {});
  }
}

function openSession(sql: Database, ended: () => void): Promise<Session> {
  return new Promise((resolve, reject) => {
    const done = Promise.withResolvers<void>();
    let session: Session | undefined;
    const over = (error?: unknown): void => {
      session?.end();
      ended();
      done.resolve();
      reject(error);
    };
    sql
      .begin(async (transaction) => {
        const [row] = await transaction<{ pid: number }[]>`
          SELECT pg_backend_pid() AS pid, set_config('idle_in_transaction_session_timeout', '0', true)`;
        session = new Session(sql, transaction, row!.pid, done.promise);
        resolve(session);
        await session.lasts();
      })
      .then(over, over);
  });
}
