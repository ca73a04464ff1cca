// One database as of one moment, for a backup.
import type { ReservedSql } from "postgres";
import { BackupError } from "../../masterd/store/backup-file.ts";
import { openDatabase } from "../../std/db/database.ts";
import { appliedMigrations, checkHistory } from "../../std/db/migrate.ts";
import { silentLog } from "../../std/log.ts";
import { CommandError } from "../command.ts";
import { encodeLine, LINE_SIZE_MAX, type TableLine } from "./database-lines.ts";
import type { Service, ServiceName } from "./services.ts";

/** Of one fetch; a row of the event bus has up to 256 KiB. */
const ROWS_PER_FETCH = 100;

export interface DatabaseSnapshot {
  name: ServiceName;
  /** The number of migrations that it has had. */
  version: number;
  /** The body of its section. To be read once. */
  body(): AsyncGenerator<Buffer>;
  close(): Promise<void>;
}

/** Takes a snapshot of the service's database at `url`; nobody is kept waiting by it. Throws {@link CommandError}, DatabaseError, MigrationError. */
export async function openSnapshot(url: string, service: Service): Promise<DatabaseSnapshot> {
  const sql = await openDatabase(url, service.name, { log: silentLog, create: false });
  try {
    const transaction = await sql.reserve();
    await transaction`BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY`;
    // Waiting for its turn may take longer than a service may wait.
    await transaction`
      SELECT set_config('statement_timeout', '0', true), set_config('idle_in_transaction_session_timeout', '0', true),
             set_config('DateStyle', 'ISO', true), set_config('TimeZone', 'UTC', true),
             set_config('bytea_output', 'hex', true), set_config('extra_float_digits', '1', true)`;
    const applied = await historyOf(transaction);
    checkHistory(applied, service.migrations);
    return {
      name: service.name,
      version: applied.length,
      body: () =>
        dump(
          transaction,
          applied.map(({ name }) => name),
        ),
      async close() {
        transaction.release();
        await sql.end({ timeout: 1 });
      },
    };
  } catch (error) {
    await sql.end({ timeout: 1 });
    throw error;
  }
}

async function historyOf(transaction: ReservedSql) {
  const [place] = await transaction<{ database: string; there: boolean }[]>`
    SELECT current_database() AS database, to_regclass('schema_migrations') IS NOT NULL AS there`;
  if (place!.there) return appliedMigrations(transaction);
  throw new CommandError(
    `the database "${place!.database}" has no tables of skerry: start the cloud on it once, or correct the URL`,
  );
}

async function* dump(transaction: ReservedSql, migrations: string[]): AsyncGenerator<Buffer> {
  yield encodeLine({ migrations });
  for (const table of await tablesOf(transaction)) {
    yield encodeLine({ ...table });
    yield* rowsOf(transaction, table);
  }
  const sequences = await transaction<{ sequence: string; last: string }[]>`
    SELECT sequencename AS sequence, last_value::text AS last FROM pg_sequences
    WHERE schemaname = current_schema() AND last_value IS NOT NULL ORDER BY sequencename`;
  for (const sequence of sequences) yield encodeLine({ ...sequence });
}

/** All but the list of migrations, which the restore makes anew. */
async function tablesOf(transaction: ReservedSql): Promise<TableLine[]> {
  return transaction<TableLine[]>`
    SELECT relname AS table, array_agg(attname::text ORDER BY attnum) AS columns
    FROM pg_class JOIN pg_attribute ON attrelid = pg_class.oid
    WHERE relkind = 'r' AND relnamespace = current_schema()::regnamespace AND relname <> 'schema_migrations'
      AND attnum > 0 AND NOT attisdropped AND attgenerated = ''
    GROUP BY relname ORDER BY relname`;
}

async function* rowsOf(transaction: ReservedSql, { table, columns }: TableLine): AsyncGenerator<Buffer> {
  const texts = columns.map((name) => `${quoted(name)}::text`).join(", ");
  await transaction.unsafe(
    `DECLARE dump NO SCROLL CURSOR FOR SELECT json_build_array(${texts})::text AS row FROM ${quoted(table)}`,
  );
  for (;;) {
    const rows = await transaction.unsafe<{ row: string }[]>(`FETCH ${ROWS_PER_FETCH} FROM dump`);
    if (rows.length === 0) break;
    const lines = rows.map(({ row }) => Buffer.from(`${row}\n`));
    if (lines.some((line) => line.length > LINE_SIZE_MAX)) {
      throw new BackupError(`its table ${table} has a row above ${LINE_SIZE_MAX} bytes`);
    }
    yield Buffer.concat(lines);
  }
  await transaction`CLOSE dump`;
}

/** An identifier of SQL. */
export function quoted(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}
