import type { TransactionSql } from "postgres";
import type { Log } from "../log.ts";
import type { Database } from "./database.ts";
import { explainReadOnly } from "./database-error.ts";

/** One forward step of a schema. Its number is its place in the list, from 1; once released it never changes. */
export interface Migration {
  name: string;
  /** One or more statements; run in a transaction. */
  up: string;
}

export type MigrationErrorCode =
  | "database_newer" // a newer release has been here: running an older one could damage its data
  | "history_differs"; // a recorded step has another name than ours

export class MigrationError extends Error {
  override name = "MigrationError";
  constructor(
    readonly code: MigrationErrorCode,
    message: string,
  ) {
    super(message);
  }
}

/** "skerry" in ASCII, as a 64-bit number: PostgreSQL's advisory locks have no names. */
const LOCK = 0x736b65727279n.toString();
/** A step over large tables may take long, and so may waiting for another process that runs it. */
const MIGRATION_TIMEOUT_MS = 600_000;

/**
 * Brings the schema to the last of `migrations`, each step in a transaction of its own that also records it. Processes that
 * start together wait for each other. Throws {@link MigrationError} for a database that a newer release has changed, and
 * DatabaseError for one that takes no writes.
 */
export async function migrate(sql: Database, migrations: readonly Migration[], log: Log): Promise<void> {
  try {
    while (await sql.begin((transaction) => step(transaction, migrations, log))) {
      // Each turn applies one migration; the last finds nothing to do.
    }
  } catch (error) {
    throw explainReadOnly(error, sql);
  }
}

/** As {@link migrate}, all steps in the caller's transaction. */
export async function migrateWithin(
  transaction: TransactionSql,
  migrations: readonly Migration[],
  log: Log,
): Promise<void> {
  while (await step(transaction, migrations, log)) {
    // As above.
  }
}

/** Applies the first migration that is missing; false when there is none. */
async function step(
  transaction: TransactionSql,
  migrations: readonly Migration[],
  log: Log,
): Promise<boolean> {
  await transaction`SELECT set_config('statement_timeout', ${MIGRATION_TIMEOUT_MS.toString()}, true),
                           set_config('lock_timeout', ${MIGRATION_TIMEOUT_MS.toString()}, true)`;
  await transaction`SELECT pg_advisory_xact_lock(${LOCK}::bigint)`;
  await transaction`CREATE TABLE IF NOT EXISTS schema_migrations (
    version integer PRIMARY KEY, name text NOT NULL, applied timestamptz NOT NULL DEFAULT now())`;
  const applied = await appliedMigrations(transaction);
  checkHistory(applied, migrations);
  const next = migrations[applied.length];
  if (!next) return false;
  const version = applied.length + 1;
  await transaction.unsafe(next.up);
  await transaction`INSERT INTO schema_migrations (version, name) VALUES (${version}, ${next.name})`;
  log.info("migrated the database", { version, name: next.name });
  return true;
}

interface Applied {
  version: number;
  name: string;
}

/** What has run in this database, in its order. */
export async function appliedMigrations(sql: Database | TransactionSql): Promise<Applied[]> {
  return sql<Applied[]>`SELECT version, name FROM schema_migrations ORDER BY version`;
}

/** Throws {@link MigrationError} unless `applied` is the beginning of `migrations`. */
export function checkHistory(applied: readonly Applied[], migrations: readonly Migration[]): void {
  if (applied.length > migrations.length) {
    throw new MigrationError(
      "database_newer",
      `The database is at schema version ${applied.length}, this release knows only ${migrations.length}: ` +
        `start the newer release again, or restore a backup from before it`,
    );
  }
  for (const [index, { version, name }] of applied.entries()) {
    if (version === index + 1 && name === migrations[index]?.name) continue;
    throw new MigrationError(
      "history_differs",
      `Step ${version} of the database's schema is "${name}", expected step ${index + 1} ` +
        `"${migrations[index]?.name}": this is not a database of this program`,
    );
  }
}
