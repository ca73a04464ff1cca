// For tests only: that a service's schema comes to its newest version from every earlier one with data in it, also when a
// step was cut off. Every service with a database passes this.
import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { systemClock } from "../clock.ts";
import { silentLog } from "../log.ts";
import { type Database, isUnreachable, openDatabase } from "./database.ts";
import { type Migration, migrate } from "./migrate.ts";
import { startTestServer, type TestServer } from "./test-server.ts";

export interface Upgrades {
  migrations: readonly Migration[];
  /** For each migration, in its order: puts rows into a schema that has just had it, and what came before. */
  fill: readonly ((sql: Database) => Promise<unknown>)[];
  /** Tables whose rows a migration gives up on purpose, by its name. */
  givenUp?: Readonly<Record<string, readonly string[]>>;
  /** The newest schema, with the rows of the first `filled` versions. */
  check(sql: Database, filled: number): Promise<void>;
}

type Rows = Map<string, Record<string, unknown>[]>;

/** Registers the tests. */
export function testUpgrades({ migrations, fill, givenUp = {}, check }: Upgrades): void {
  // A real PostgreSQL on a loaded machine.
  setDefaultTimeout(120_000);
  let server: TestServer;
  let databases = 0;
  const pools: Database[] = [];

  beforeAll(async () => {
    server = await startTestServer();
  });
  afterAll(async () => {
    for (const sql of pools) await sql.end({ timeout: 1 });
    await server.remove();
  });

  const steps = (version: number) => migrations.slice(0, version);

  /** A database that went through `version` versions and had its rows at each. */
  async function aged(version: number): Promise<Database> {
    const sql = await openDatabase(server.url, `aged${++databases}`, { log: silentLog });
    pools.push(sql);
    await migrate(sql, [], silentLog);
    for (const index of steps(version).keys()) {
      await migrate(sql, steps(index + 1), silentLog);
      await fill[index]!(sql);
    }
    return sql;
  }

  /** `before` without what the migrations behind `version` give up. */
  function kept(before: Rows, version: number): Rows {
    const lost = migrations.slice(version).flatMap(({ name }) => givenUp[name] ?? []);
    return new Map([...before].filter(([table]) => !lost.includes(table)));
  }

  test("every version has rows", () => {
    expect(fill.length).toBe(migrations.length);
  });

  for (const version of migrations.keys()) {
    const at = version === 0 ? "an empty database" : `version ${version} (${migrations[version - 1]!.name})`;

    test(`from ${at}: the newest schema, with every row`, async () => {
      const sql = await aged(version);
      const before = await rowsOf(sql);
      await migrate(sql, migrations, silentLog);
      expect(await schemaOf(sql)).toEqual(await schemaOf(await aged(migrations.length)));
      expect(missing(kept(before, version), await rowsOf(sql))).toEqual([]);
      await check(sql, version);
    });

    test(`cut off behind ${at}: as if it had not begun, and done by the next start`, async () => {
      const sql = await aged(version);
      const [schema, before] = [await schemaOf(sql), await rowsOf(sql)];
      // All statements of the step have run when it is cut off: it waits to be recorded.
      await using holder = await locked(sql, "schema_migrations");
      const cut = migrate(sql, migrations, silentLog).catch((error: unknown) => error);
      await sql`SELECT pg_terminate_backend(${await waiting(sql)})`;
      expect(isUnreachable(await cut)).toBe(true);
      await holder.release();
      expect([await schemaOf(sql), await rowsOf(sql)]).toEqual([schema, before]);
      await migrate(sql, migrations, silentLog);
      expect(missing(kept(before, version), await rowsOf(sql))).toEqual([]);
    });
  }
}

/** Keeps others from writing to `table`. */
export async function locked(sql: Database, table: string) {
  const holder = await sql.reserve();
  await holder.unsafe(`BEGIN; LOCK TABLE ${table} IN SHARE MODE`);
  let held = true;
  const release = async () => {
    if (!held) return;
    held = false;
    await holder`ROLLBACK`;
    holder.release();
  };
  return { release, [Symbol.asyncDispose]: release };
}

const WAITING_MS_MAX = 30_000;

/** The pid of the backend that waits for a lock in this database, as soon as there is one; fails after 30 s. */
export async function waiting(sql: Database): Promise<number> {
  const until = systemClock.monotonic() + WAITING_MS_MAX;
  while (systemClock.monotonic() < until) {
    const [row] = await sql<{ pid: number }[]>`
      SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`;
    if (row) return row.pid;
  }
  throw new Error("nobody waits for a lock");
}

/** Everything in the schema, as text. */
export async function schemaOf(sql: Database): Promise<string[]> {
  const rows = await sql<{ line: string }[]>`
    WITH ours AS (SELECT * FROM pg_class WHERE relnamespace = current_schema()::regnamespace)
    SELECT format('column %s.%s %s %s %s%s %s', relname, attname, format_type(atttypid, atttypmod), attnotnull,
                  attidentity, attgenerated, pg_get_expr(adbin, adrelid)) AS line
    FROM ours JOIN pg_attribute ON attrelid = ours.oid
    LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum
    WHERE attnum > 0 AND NOT attisdropped AND relkind IN ('r', 'v')
    UNION ALL SELECT format('constraint %s %s', conrelid::regclass, pg_get_constraintdef(oid))
    FROM pg_constraint WHERE connamespace = current_schema()::regnamespace
    UNION ALL SELECT indexdef FROM pg_indexes WHERE schemaname = current_schema()
    UNION ALL SELECT pg_get_triggerdef(pg_trigger.oid) FROM pg_trigger JOIN ours ON tgrelid = ours.oid WHERE NOT tgisinternal
    UNION ALL SELECT pg_get_functiondef(oid) FROM pg_proc WHERE pronamespace = current_schema()::regnamespace
    UNION ALL SELECT format('view %s %s', relname, pg_get_viewdef(oid)) FROM ours WHERE relkind = 'v'
    UNION ALL SELECT format('sequence %s', relname) FROM ours WHERE relkind = 'S'
    ORDER BY line`;
  return rows.map(({ line }) => line);
}

async function rowsOf(sql: Database): Promise<Rows> {
  const tables = await sql<{ name: string }[]>`
    SELECT relname AS name FROM pg_class
    WHERE relnamespace = current_schema()::regnamespace AND relkind = 'r' AND relname <> 'schema_migrations'
    ORDER BY relname`;
  const rows: Rows = new Map();
  for (const { name } of tables) {
    const found = await sql<{ row: Record<string, unknown> }[]>`
      SELECT to_jsonb(t) AS row FROM ${sql(name)} AS t ORDER BY t::text`;
    rows.set(
      name,
      found.map(({ row }) => row),
    );
  }
  return rows;
}

/** Rows of `before` that `after` does not have, with the values of the columns that are still there. */
function missing(before: Rows, after: Rows): string[] {
  const gone: string[] = [];
  for (const [table, rows] of before) {
    const now = after.get(table) ?? [];
    for (const row of rows) {
      if (!now.some((present) => sharesAll(row, present))) gone.push(`${table} ${JSON.stringify(row)}`);
    }
  }
  return gone;
}

function sharesAll(before: Record<string, unknown>, after: Record<string, unknown>): boolean {
  return Object.entries(before).every(
    ([column, value]) => !(column in after) || Bun.deepEquals(value, after[column]),
  );
}
