import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { type Clock, systemClock } from "../clock.ts";
import { silentLog } from "../log.ts";
import { type Database, isUniqueViolation, isUnreachable, openDatabase } from "./database.ts";
import { DatabaseError } from "./database-error.ts";
import { type Migration, migrate } from "./migrate.ts";
import { startTestServer, type TestServer } from "./test-server.ts";

// A real PostgreSQL on a loaded machine.
setDefaultTimeout(60_000);

const STEPS: Migration[] = [
  { name: "words", up: "CREATE TABLE words (word text PRIMARY KEY); INSERT INTO words VALUES ('first')" },
  { name: "length", up: "ALTER TABLE words ADD COLUMN length integer; UPDATE words SET length = 5" },
];

let server: TestServer;
const opened: Database[] = [];

beforeAll(async () => {
  server = await startTestServer();
});

afterAll(async () => {
  for (const sql of opened) await sql.end({ timeout: 1 });
  await server.remove();
});

async function open(name: string, url = server.url): Promise<Database> {
  const sql = await openDatabase(url, name, { log: silentLog });
  opened.push(sql);
  return sql;
}

function freePort(): number {
  const listener = Bun.listen({ hostname: "127.0.0.1", port: 0, socket: { data() {} } });
  listener.stop(true);
  return listener.port;
}

test("an absent database is made once, by however many open it", async () => {
  const pools = await Promise.all(Array.from({ length: 4 }, () => open("many")));
  for (const sql of pools) {
    const [row] = await sql<{ name: string }[]>`SELECT current_database() AS name`;
    expect(row).toEqual({ name: "many" });
  }
});

test("a URL that names a database is used as it is", async () => {
  const sql = await open("ignored", `${server.url}/postgres`);
  const [row] = await sql<{ name: string }[]>`SELECT current_database() AS name`;
  expect(row).toEqual({ name: "postgres" });
  await expect(open("ignored", `${server.url}/absent`)).rejects.toMatchObject({ code: "database_missing" });
});

test("migrations run once, in order, and later ones follow", async () => {
  const sql = await open("stepwise");
  await migrate(sql, STEPS.slice(0, 1), silentLog);
  await migrate(sql, STEPS.slice(0, 1), silentLog);
  expect([...(await sql`SELECT * FROM words`)]).toEqual([{ word: "first" }]);
  await migrate(sql, STEPS, silentLog);
  expect([...(await sql`SELECT * FROM words`)]).toEqual([{ word: "first", length: 5 }]);
});

test("processes that migrate at the same time apply each step once", async () => {
  const pools = await Promise.all([open("crowd"), open("crowd"), open("crowd")]);
  await Promise.all(pools.map((sql) => migrate(sql, STEPS, silentLog)));
  const recorded = await pools[0]!`SELECT version, name FROM schema_migrations ORDER BY version`;
  expect([...recorded]).toEqual([
    { version: 1, name: "words" },
    { version: 2, name: "length" },
  ]);
});

test("a step that fails leaves nothing of itself", async () => {
  const sql = await open("broken");
  const broken = { name: "broken", up: "CREATE TABLE half (n integer); SELECT 1 / 0" };
  await expect(migrate(sql, [broken], silentLog)).rejects.toMatchObject({ code: "22012" });
  await migrate(sql, STEPS, silentLog);
  expect([...(await sql`SELECT to_regclass('half') AS half`)]).toEqual([{ half: null }]);
});

test("a database of a newer release is refused", async () => {
  const sql = await open("newer");
  await migrate(sql, STEPS, silentLog);
  await expect(migrate(sql, STEPS.slice(0, 1), silentLog)).rejects.toMatchObject({ code: "database_newer" });
});

test("a database with another history is refused", async () => {
  const sql = await open("foreign");
  await migrate(sql, [{ name: "elsewhere", up: "SELECT 1" }], silentLog);
  await expect(migrate(sql, STEPS, silentLog)).rejects.toMatchObject({ code: "history_differs" });
});

test("errors are told apart: an answer of the server, and no server", async () => {
  const sql = await open("errors");
  await sql`CREATE TABLE once (n integer PRIMARY KEY)`;
  await sql`INSERT INTO once VALUES (1)`;
  const duplicate: unknown = await sql`INSERT INTO once VALUES (1)`.catch((error) => error);
  expect(isUniqueViolation(duplicate)).toBe(true);
  expect(isUnreachable(duplicate)).toBe(false);
  await sql.end();
  expect(isUnreachable(await sql`SELECT 1`.catch((error) => error))).toBe(true);
});

/** A clock on which every wait is over at once. */
function impatient(): Clock {
  let ms = 0;
  return { now: () => ms, monotonic: () => (ms += 60_000), after: systemClock.after };
}

test("a database that cannot be used is told by a stable code, and never with its password", async () => {
  await open("closed");
  await opened[0]!.unsafe("CREATE ROLE reader LOGIN PASSWORD 'hidden'");
  await opened[0]!`ALTER DATABASE closed SET default_transaction_read_only = on`;
  await opened[0]!`REVOKE CONNECT ON DATABASE closed FROM public`;
  const { port } = new URL(server.url);
  const free = freePort();
  const table: [url: string, code: string, told: string][] = [
    [
      `postgres://u:hidden@127.0.0.1:${free}/x`,
      "database_unreachable",
      `Cannot reach the database "x" at 127.0.0.1:${free}`,
    ],
    [
      "postgres://u:hidden@nobody.invalid/x",
      "database_unreachable",
      'Cannot reach the database "x" at nobody.invalid',
    ],
    [`postgres://reader:wrong@127.0.0.1:${port}/closed`, "database_refused", 'as "reader"'],
    [`postgres://reader:hidden@127.0.0.1:${port}/closed`, "database_refused", 'as "reader"'],
    [`postgres://reader:hidden@127.0.0.1:${port}`, "database_refused", 'as "reader"'],
    [
      `postgres://reader:hidden@127.0.0.1:${port}/absent`,
      "database_missing",
      'There is no database "absent"',
    ],
  ];
  for (const [url, code, told] of table) {
    const options = { log: silentLog, clock: impatient() };
    const error: unknown = await openDatabase(url, "new", options).catch((error: unknown) => error);
    if (!(error instanceof DatabaseError)) throw new Error(`${url} was answered with ${error}`);
    expect([url, error.code, error.message]).toEqual([url, code, expect.stringContaining(told)]);
    expect(error.message).toContain(`(${code}: `);
    expect(error.message).not.toContain("hidden");
  }
});

test("a database that takes no writes is told by its code when it is to be made or migrated", async () => {
  await open("standby");
  await opened[0]!`ALTER DATABASE standby SET default_transaction_read_only = on`;
  const sql = await open("standby");
  await expect(migrate(sql, STEPS, silentLog)).rejects.toMatchObject({
    name: "DatabaseError",
    code: "database_read_only",
    message: expect.stringContaining('Cannot write to the database "standby" at 127.0.0.1'),
  });
  await opened[0]!`ALTER DATABASE postgres SET default_transaction_read_only = on`;
  await expect(open("unmade")).rejects.toMatchObject({ name: "DatabaseError", code: "database_read_only" });
  await opened[0]!`ALTER DATABASE postgres RESET default_transaction_read_only`;
  await open("unmade");
});
