// Looks entries up. Everything goes in pages along the sequence, so that no memory and no transaction grows with the log.
import type { Fragment } from "postgres";
import type { Database } from "../../std/db/database.ts";
import type { Details, Outcome } from "./entry.ts";
import { columns, type EntryRow, type StoredEntry, storedEntry } from "./rows.ts";

export interface AuditFilter {
  /** A user's id or name. */
  actor?: string;
  /** `service:Name`, or the beginning of it with a `*` behind. */
  action?: string;
  /** The beginning of an ARN. */
  resource?: string;
  outcome?: Outcome;
  requestId?: string;
  /** ms since the epoch, inclusive. */
  since?: number;
  /** ms since the epoch, exclusive. */
  until?: number;
}

/** Where a page begins: `before` goes to older entries, `after` to newer ones. Neither: at the newest. */
export interface PageOf {
  before?: number;
  after?: number;
  /** 1 to {@link PAGE_MAX}. */
  limit: number;
}

/** An entry as the API tells it. */
export interface AuditEntry {
  sequence: number;
  /** ms since the epoch. */
  time: number;
  /** How many events it stands for. */
  count: number;
  actor: { kind: string; id: string; name: string; credential: string };
  action: string;
  resource: string;
  outcome: string;
  code: string;
  source: string;
  userAgent: string;
  requestId: string;
  /** A text where it is no JSON, which only an altered row can be. */
  details: Details | string;
  /** Hex. */
  previousHash: string;
  hash: string;
}

export interface AuditPage {
  entries: AuditEntry[];
  /** The `before` or `after` of the next page; absent on the last one. */
  next?: number;
}

export const PAGE_MAX = 1_000;
const EXPORT_PAGE = 500;

export async function readPage(sql: Database, filter: AuditFilter, page: PageOf): Promise<AuditPage> {
  const rising = page.after !== undefined;
  const rows = await sql<EntryRow[]>`
    SELECT ${columns(sql)} FROM entries
    WHERE ${matching(sql, filter)}
      ${page.before === undefined ? sql`` : sql`AND sequence < ${page.before}`}
      ${page.after === undefined ? sql`` : sql`AND sequence > ${page.after}`}
    ORDER BY sequence ${rising ? sql`ASC` : sql`DESC`} LIMIT ${page.limit}`;
  const entries = rows.map((row) => toldEntry(storedEntry(row)));
  // One who follows the log goes on from the last entry, also when there is no more yet.
  const next = entries.length === page.limit || (rising && entries.length > 0) ? entries.at(-1) : undefined;
  return { entries, ...(next && { next: next.sequence }) };
}

/** All that match, oldest first, as they were when it began. */
export async function* readAll(sql: Database, filter: AuditFilter): AsyncGenerator<AuditEntry[]> {
  const [row] = await sql<{ last: string | null }[]>`SELECT max(sequence) AS last FROM entries`;
  const last = Number(row!.last ?? 0);
  for (let after = 0; ; ) {
    const { entries, next } = await readPage(sql, filter, { after, limit: EXPORT_PAGE });
    yield entries.filter(({ sequence }) => sequence <= last);
    if (next === undefined || next >= last || entries.length < EXPORT_PAGE) return;
    after = next;
  }
}

function matching(sql: Database, filter: AuditFilter) {
  const { actor, action, resource, outcome, requestId, since, until } = filter;
  const conditions: Fragment[] = [
    actor === undefined ? sql`` : sql`AND (actor_id = ${actor} OR actor_name = ${actor})`,
    action === undefined ? sql`` : ofAction(sql, action),
    resource === undefined ? sql`` : sql`AND ${beginsWith(sql, "resource", resource)}`,
    outcome === undefined ? sql`` : sql`AND outcome = ${outcome}`,
    requestId === undefined ? sql`` : sql`AND request_id = ${requestId} AND request_id <> ''`,
    since === undefined ? sql`` : sql`AND time_ms >= ${since}`,
    until === undefined ? sql`` : sql`AND time_ms < ${until}`,
  ];
  return sql`true ${conditions}`;
}

function ofAction(sql: Database, action: string) {
  if (!action.endsWith("*")) return sql`AND action = ${action}`;
  return sql`AND ${beginsWith(sql, "action", action.slice(0, -1))}`;
}

/** A range, so that an index serves it whatever the prefix; the last character there is comes behind all others. */
function beginsWith(sql: Database, column: "action" | "resource", prefix: string) {
  return sql`(${sql(column)} >= ${prefix} AND ${sql(column)} < ${`${prefix}\u{10ffff}`})`;
}

function toldEntry(stored: StoredEntry): AuditEntry {
  return {
    sequence: stored.sequence,
    time: stored.time,
    count: stored.count,
    actor: {
      kind: stored.actorKind,
      id: stored.actorId,
      name: stored.actorName,
      credential: stored.credential,
    },
    action: stored.action,
    resource: stored.resource,
    outcome: stored.outcome,
    code: stored.code,
    source: stored.source,
    userAgent: stored.userAgent,
    requestId: stored.requestId,
    details: parsedDetails(stored.details),
    previousHash: stored.previousHash.toString("hex"),
    hash: stored.hash.toString("hex"),
  };
}

function parsedDetails(text: string): Details | string {
  try {
    return JSON.parse(text) as Details;
  } catch {
    return text;
  }
}
