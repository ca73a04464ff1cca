// Rows of the table `entries`, as they are read.
import type { Database } from "../../std/db/database.ts";
import type { Entry } from "./entry.ts";

export interface StoredEntry extends Entry {
  sequence: number;
  version: number;
  previousHash: Buffer;
  hash: Buffer;
}

export type EntryRow = Omit<StoredEntry, "sequence" | "time" | "count"> & {
  sequence: string;
  time: string;
  count: string;
};

export function columns(sql: Database) {
  return sql`
    sequence, version, time_ms AS time, count, actor_kind AS "actorKind", actor_id AS "actorId",
    actor_name AS "actorName", credential, action, resource, outcome, code, source, user_agent AS "userAgent",
    request_id AS "requestId", details, previous_hash AS "previousHash", hash`;
}

/** PostgreSQL's 64-bit integers come as texts. */
export function storedEntry(row: EntryRow): StoredEntry {
  return { ...row, sequence: Number(row.sequence), time: Number(row.time), count: Number(row.count) };
}
