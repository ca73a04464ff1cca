// Puts the rows of a backup into a database, all in one transaction: the database is as it was before, or as the backup has it.
import type { TransactionSql } from "postgres";
import { BackupError } from "../../masterd/store/backup-file.ts";
import { type Database, openDatabase } from "../../std/db/database.ts";
import { explainReadOnly } from "../../std/db/database-error.ts";
import { checkHistory, migrateWithin } from "../../std/db/migrate.ts";
import { silentLog } from "../../std/log.ts";
import { CommandError } from "../command.ts";
import { decodeLine, linesOf, type TableLine } from "./database-lines.ts";
import { quoted } from "./database-snapshot.ts";
import type { Service } from "./services.ts";

/** Of one INSERT, whichever is reached first. */
const BATCH_ROWS = 500;
const BATCH_CHARACTERS = 4 << 20;

export interface LoadOptions {
  /** A schema name: what is there goes into it. Without it a database that has tables is refused. */
  setAside?: string;
  /** The last word on what was loaded, in the same transaction. */
  settle?: (transaction: TransactionSql) => Promise<void>;
}

/** Rows that are in the database for their transaction alone. One of the two must be called, and then `sql` ended. */
export interface LoadedDatabase {
  sql: Database;
  commit(): Promise<void>;
  /** Leaves the database as it was. Does not throw. */
  discard(): Promise<void>;
}

/**
 * Makes the schema that the backup was of, loads the lines of `body` (of the section of `service`), and brings the schema up to
 * date. Throws {@link CommandError} where the database is not empty, {@link BackupError}, DatabaseError, and MigrationError for a
 * schema that this release does not know; the database is then as it was.
 */
export async function loadDatabase(
  url: string,
  service: Service,
  body: AsyncIterable<Buffer>,
  { setAside, settle }: LoadOptions = {},
): Promise<LoadedDatabase> {
  const sql = await openDatabase(url, service.name, { log: silentLog });
  const loaded = Promise.withResolvers<void>();
  const decided = Promise.withResolvers<void>();
  const transaction = sql.begin(async (transaction) => {
    await transaction`
      SELECT set_config('statement_timeout', '0', true), set_config('idle_in_transaction_session_timeout', '0', true)`;
    await makeRoom(transaction, service, setAside);
    await load(transaction, service, body);
    await migrateWithin(transaction, service.migrations, silentLog);
    await settle?.(transaction);
    loaded.resolve();
    await decided.promise;
  });
  transaction.catch(loaded.reject);
  try {
    await loaded.promise;
  } catch (error) {
    await sql.end({ timeout: 1 });
    throw explainReadOnly(error, sql);
  }
  return {
    sql,
    async commit() {
      decided.resolve();
      await transaction;
    },
    async discard() {
      decided.reject(new CommandError("the rows are not wanted any more"));
      await transaction.catch(() => {});
    },
  };
}

async function makeRoom(
  transaction: TransactionSql,
  { name }: Service,
  setAside: string | undefined,
): Promise<void> {
  const [place] = await transaction<{ database: string; schema: string; taken: boolean }[]>`
    SELECT current_database() AS database, current_schema() AS schema,
           EXISTS (SELECT FROM pg_class WHERE relnamespace = current_schema()::regnamespace) AS taken`;
  const { database, schema, taken } = place!;
  if (!taken) return;
  if (setAside === undefined) {
    throw new CommandError(
      `the database "${database}" of ${name} has tables already: empty it, or move them aside with --replace`,
    );
  }
  await transaction.unsafe(`ALTER SCHEMA ${quoted(schema)} RENAME TO ${quoted(setAside)}`);
  await transaction.unsafe(`CREATE SCHEMA ${quoted(schema)}`);
}

async function load(
  transaction: TransactionSql,
  service: Service,
  body: AsyncIterable<Buffer>,
): Promise<void> {
  let rows: RowSink | undefined;
  for await (const bytes of linesOf(body)) {
    const line = decodeLine(bytes);
    if ("row" in line) {
      if (!rows) throw new BackupError("a database in it has rows of no table");
      await rows.add(line.row);
      continue;
    }
    await rows?.flush();
    rows = undefined;
    if ("migrations" in line) await makeSchema(transaction, service, line.migrations);
    else if ("table" in line) rows = await RowSink.open(transaction, line);
    else await transaction`SELECT setval(${quoted(line.sequence)}::regclass, ${line.last}::bigint)`;
  }
  await rows?.flush();
  // What refers to rows that are not there shows here.
  await transaction`SET CONSTRAINTS ALL IMMEDIATE`;
  await setDeferrable(transaction, false);
}

async function makeSchema(
  transaction: TransactionSql,
  { migrations }: Service,
  names: readonly string[],
): Promise<void> {
  checkHistory(
    names.map((name, index) => ({ version: index + 1, name })),
    migrations,
  );
  await migrateWithin(transaction, migrations.slice(0, names.length), silentLog);
  // Tables refer to each other in circles, so there is no order that suits them all.
  await setDeferrable(transaction, true);
  await transaction`SET CONSTRAINTS ALL DEFERRED`;
}

/** Of all foreign keys; none of ours is deferrable otherwise. */
async function setDeferrable(transaction: TransactionSql, deferrable: boolean): Promise<void> {
  const keys = await transaction<{ table: string; name: string }[]>`
    SELECT conrelid::regclass::text AS table, conname AS name FROM pg_constraint
    WHERE contype = 'f' AND connamespace = current_schema()::regnamespace`;
  for (const { table, name } of keys) {
    const how = deferrable ? "DEFERRABLE" : "NOT DEFERRABLE";
    await transaction.unsafe(`ALTER TABLE ${table} ALTER CONSTRAINT ${quoted(name)} ${how}`);
  }
}

/** By column. */
async function typesOf(transaction: TransactionSql, table: string): Promise<Map<string, string>> {
  const rows = await transaction<{ name: string; type: string }[]>`
    SELECT attname AS name, format_type(atttypid, atttypmod) AS type FROM pg_attribute
    WHERE attrelid = to_regclass(${quoted(table)}) AND attnum > 0 AND NOT attisdropped`;
  if (rows.length === 0) throw new BackupError(`its table ${table} is unknown`);
  return new Map(rows.map(({ name, type }) => [name, type]));
}

/** Rows on their way into one table. */
class RowSink {
  private rows: string[] = [];
  private characters = 0;

  private constructor(
    private readonly transaction: TransactionSql,
    private readonly insert: string,
  ) {}

  /** Removes what migrations have put into the table: the backup has it, as it is now. */
  static async open(transaction: TransactionSql, { table, columns }: TableLine): Promise<RowSink> {
    const name = quoted(table);
    const types = await typesOf(transaction, table);
    // Not where there is nothing: the audit log's triggers refuse even that.
    const [filled] = await transaction.unsafe(`SELECT FROM ${name} LIMIT 1`);
    if (filled) await transaction.unsafe(`DELETE FROM ${name}`);
    const values = columns.map((column, index) => {
      const type = types.get(column);
      if (type === undefined)
        throw new BackupError(`its table ${table} has a column ${column}, which is unknown`);
      return `(value ->> ${index})::${type}`;
    });
    return new RowSink(
      transaction,
      `INSERT INTO ${name} (${columns.map(quoted).join(", ")}) OVERRIDING SYSTEM VALUE
       SELECT ${values.join(", ")} FROM json_array_elements($1::text::json) AS value`,
    );
  }

  async add(row: string): Promise<void> {
    this.rows.push(row);
    this.characters += row.length;
    if (this.rows.length >= BATCH_ROWS || this.characters >= BATCH_CHARACTERS) await this.flush();
  }

  async flush(): Promise<void> {
    if (this.rows.length === 0) return;
    const batch = `[${this.rows.join(",")}]`;
    this.rows = [];
    this.characters = 0;
    await this.transaction.unsafe(this.insert, [batch]);
  }
}
