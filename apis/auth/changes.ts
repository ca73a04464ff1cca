import type { TransactionSql } from "postgres";

/** `identity` is a user or service account that lost what the database cannot tell any more; no local copy holds it. */
export type ChangedKind = "user" | "key" | "session" | "group" | "role" | "service" | "token" | "identity";
/** What a change is about, e.g. `key:SKABC`. */
export type Change = `${ChangedKind}:${string}`;
export type Transaction = TransactionSql;

/** The ids of the changes of one kind. */
export function idsOf(kind: ChangedKind, changes: Iterable<Change>): string[] {
  const prefix = `${kind}:`;
  return [...changes]
    .filter((change) => change.startsWith(prefix))
    .map((change) => change.slice(prefix.length));
}
