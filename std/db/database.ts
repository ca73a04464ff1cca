import postgres, { type Sql } from "postgres";
import { type Clock, delay, systemClock } from "../clock.ts";
import type { Log } from "../log.ts";
import { explainDatabaseError, READ_ONLY } from "./database-error.ts";

export type Database = Sql;

/** Of the 50 that the embedded server allows; one process needs few, since its queries take about a millisecond. */
const CONNECTIONS_MAX = 8;
const CONNECT_TIMEOUT_S = 10;
const IDLE_TIMEOUT_S = 300;
/** Between attempts to connect again: a server that is back is noticed within it. The driver's own goes up to 20 s. */
const BACKOFF_FIRST_S = 0.05;
const BACKOFF_MAX_S = 2;
const STATEMENT_TIMEOUT_MS = 30_000;
const LOCK_TIMEOUT_MS = 10_000;
/** How long a server that is just starting (or starting again) is waited for. */
const OPEN_WAIT_MS = 30_000;
const OPEN_RETRY_MS = 100;

/** SQLSTATEs, from PostgreSQL's appendix A. */
const DUPLICATE_DATABASE = "42P04";
const UNIQUE_VIOLATION = "23505";
const OBJECT_IN_USE = "55006";

/**
 * Failures of reaching the database, as opposed to its answers: the driver's codes, Node's, and SQLSTATEs of a server that
 * ends or starts (57P01 to 57P03), has no connection to spare (53300) or takes none for this database (55000). One that takes
 * no writes counts: after a failover that is the old primary, until the name leads to the new one.
 */
const UNREACHABLE = new Set([
  READ_ONLY,
  "CONNECTION_CLOSED",
  "CONNECTION_ENDED",
  "CONNECTION_DESTROYED",
  "CONNECT_TIMEOUT",
  "ECONNREFUSED",
  "ECONNRESET",
  "EAI_AGAIN",
  "EHOSTUNREACH",
  "ENETUNREACH",
  "ENOENT",
  "ENOTFOUND",
  "EPIPE",
  "ETIMEDOUT",
  "53300",
  "55000",
  "57P01",
  "57P02",
  "57P03",
]);

/** The code of a database error: a SQLSTATE, or the driver's own word. */
export function databaseErrorCode(error: unknown): string | undefined {
  const code = error instanceof Error && "code" in error ? error.code : undefined;
  return typeof code === "string" ? code : undefined;
}

/** Whether no server could be reached that does it, so that the same may work later. */
export function isUnreachable(error: unknown): boolean {
  return UNREACHABLE.has(databaseErrorCode(error) ?? "");
}

export function isUniqueViolation(error: unknown): boolean {
  return databaseErrorCode(error) === UNIQUE_VIOLATION;
}

export interface OpenOptions {
  log: Log;
  clock?: Clock;
  /** Whether a database that is not there is made; it is, unless the URL names it. */
  create?: boolean;
}

/**
 * Opens the database `name` of the server at `url`, made if it is not there. A `url` that already names a database
 * (an operator's own server) is used as it is and `name` is not looked at. Waits up to 30 s for a starting server.
 * Throws {@link DatabaseError}. Returns a pool of at most 8 connections that reconnects by itself.
 */
export async function openDatabase(
  url: string,
  name: string,
  { log, clock = systemClock, create = true }: OpenOptions,
): Promise<Database> {
  const target = databaseUrl(url, name);
  const named = target.href === new URL(url).href;
  const until = clock.monotonic() + OPEN_WAIT_MS;
  for (;;) {
    const sql = connect(target.href, log);
    try {
      if (!named && create) await ensureDatabase(url, name, log);
      await sql`SELECT 1`;
      return sql;
    } catch (error) {
      await sql.end({ timeout: 0 });
      const [code, unreachable] = [databaseErrorCode(error), isUnreachable(error)];
      const final = !unreachable || code === READ_ONLY || clock.monotonic() > until;
      if (final)
        throw explainDatabaseError(error, target, { code, unreachable: code !== READ_ONLY && unreachable });
      await delay(clock, OPEN_RETRY_MS);
    }
  }
}

/** `url` with the database `name`, unless it names one. */
export function databaseUrl(url: string, name: string): URL {
  const target = new URL(url);
  if (target.pathname.length <= 1) target.pathname = `/${encodeURIComponent(name)}`;
  return target;
}

/**
 * A pool on a replica of the database `name`, which `url` may name as in {@link openDatabase}. It connects when it is asked for
 * something, so that a replica that is away keeps nothing from starting, and takes no writes.
 */
export function replicaPool(url: string, name: string, log: Log): Database {
  return connect(databaseUrl(url, name).href, log, { default_transaction_read_only: true });
}

function connect(url: string, log: Log, settings: Record<string, boolean> = {}): Database {
  return postgres(url, {
    max: CONNECTIONS_MAX,
    connect_timeout: CONNECT_TIMEOUT_S,
    idle_timeout: IDLE_TIMEOUT_S,
    backoff: (attempt) => Math.min(BACKOFF_FIRST_S * 2 ** attempt, BACKOFF_MAX_S),
    onnotice: (notice) => log.debug("database notice", { text: notice.message }),
    connection: {
      application_name: "skerry",
      statement_timeout: STATEMENT_TIMEOUT_MS,
      lock_timeout: LOCK_TIMEOUT_MS,
      idle_in_transaction_session_timeout: STATEMENT_TIMEOUT_MS,
      ...settings,
    },
  });
}

/**
 * Asks before it makes: opening a database that is not there would leave an error in the server's log. Another process
 * may be making it at the same moment; either way it is there afterwards.
 */
async function ensureDatabase(url: string, name: string, log: Log): Promise<void> {
  const maintenance = new URL(url);
  maintenance.pathname = "/postgres";
  const sql = connect(maintenance.href, log);
  try {
    const [present] = await sql`SELECT 1 FROM pg_database WHERE datname = ${name}`;
    if (present) return;
    await sql`CREATE DATABASE ${sql(name)}`;
    log.info("made the database", { name });
  } catch (error) {
    const code = databaseErrorCode(error) ?? "";
    if (![DUPLICATE_DATABASE, UNIQUE_VIOLATION, OBJECT_IN_USE].includes(code)) throw error;
  } finally {
    await sql.end({ timeout: CONNECT_TIMEOUT_S });
  }
}
