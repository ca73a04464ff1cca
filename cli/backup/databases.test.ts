// Databases out of a server and into another one, through the lines of a backup. Real PostgreSQL.
import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { createAudit } from "../../apis/audit/service.ts";
import { systemClock } from "../../std/clock.ts";
import { type Database, openDatabase } from "../../std/db/database.ts";
import { type Migration, migrate } from "../../std/db/migrate.ts";
import { startTestServer, type TestServer } from "../../std/db/test-server.ts";
import { silentLog } from "../../std/log.ts";
import { encodeLine, LINE_SIZE_MAX, linesOf } from "./database-lines.ts";
import { loadDatabase } from "./database-load.ts";
import { openSnapshot } from "./database-snapshot.ts";
import { SERVICES, type Service } from "./services.ts";

// A real PostgreSQL on a loaded machine.
setDefaultTimeout(120_000);

/** Whatever a schema of ours may have, in a circle. */
const MIGRATIONS: Migration[] = [
  {
    name: "first",
    up: `
      CREATE TABLE accounts (id text PRIMARY KEY, parent text);
      CREATE TABLE tokens (
        n bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        account text REFERENCES accounts ON DELETE CASCADE,
        parent bigint REFERENCES tokens,
        hash bytea, at timestamptz, names text[], document jsonb, size double precision, big numeric, "odd ""name" boolean,
        twice bigint GENERATED ALWAYS AS (n * 2) STORED
      );
      ALTER TABLE accounts ADD COLUMN first_token bigint REFERENCES tokens;
      CREATE TABLE head (last bigint);
      INSERT INTO head VALUES (0);
      CREATE VIEW plain AS SELECT id FROM accounts;`,
  },
  { name: "second", up: "ALTER TABLE accounts ADD COLUMN note text NOT NULL DEFAULT 'new'" },
];
const SERVICE: Service = { name: "auth", migrations: MIGRATIONS };

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

const newUrl = () => `${server.url}/backup${++databases}`;

async function created(url = newUrl()): Promise<{ sql: Database; url: string }> {
  const name = new URL(url).pathname.slice(1);
  const sql = await openDatabase(server.url, name, { log: silentLog });
  pools.push(sql);
  return { sql, url };
}

async function filled(versions = MIGRATIONS.length) {
  const { sql, url } = await created();
  await migrate(sql, MIGRATIONS.slice(0, versions), silentLog);
  await sql`INSERT INTO accounts (id) VALUES ('a"\\ \n\t{}[]'), ('ü\u{1f600}'), ('')`;
  await sql`
    INSERT INTO tokens (account, parent, hash, at, names, document, size, big, "odd ""name") VALUES
      ('', 3, '\\x00ff0a5c', '2026-01-01 12:00:00.123456+02', ARRAY['a', NULL, 'b,"c"'], '{"a": null, "n": 1.10}', 0.1, 12345678901234567890.5, true),
      (NULL, NULL, NULL, NULL, NULL, NULL, 'NaN', NULL, false),
      ('ü\u{1f600}', 1, '', 'infinity', '{}', 'null', '-Infinity', -0.0, NULL)`;
  await sql`UPDATE accounts SET first_token = 2`;
  await sql`UPDATE head SET last = 42`;
  return { sql, url };
}

async function bodyOf(url: string, service = SERVICE): Promise<{ version: number; body: Buffer }> {
  const snapshot = await openSnapshot(url, service);
  try {
    const pieces: Buffer[] = [];
    for await (const piece of snapshot.body()) pieces.push(piece);
    return { version: snapshot.version, body: Buffer.concat(pieces) };
  } finally {
    await snapshot.close();
  }
}

async function* pieces(body: Buffer): AsyncGenerator<Buffer> {
  // However the pieces fall.
  for (let at = 0; at < body.length; at += 1_000) yield body.subarray(at, at + 1_000);
}

async function loaded(url: string, body: Buffer, service = SERVICE, setAside?: string): Promise<Database> {
  const { sql, commit } = await loadDatabase(url, service, pieces(body), { setAside });
  pools.push(sql);
  await commit();
  return sql;
}

const rowsOf = async (sql: Database) => ({
  accounts: [...(await sql`SELECT accounts::text FROM accounts ORDER BY id`)],
  tokens: [...(await sql`SELECT tokens::text FROM tokens ORDER BY n`)],
  head: [...(await sql`SELECT * FROM head`)],
});

test("every value comes back, circles of references and sequences too", async () => {
  const from = await filled();
  const { version, body } = await bodyOf(from.url);
  expect(version).toBe(2);
  const to = await loaded((await created()).url, body);
  expect(await rowsOf(to)).toEqual(await rowsOf(from.sql));
  const [next] = await to`INSERT INTO tokens (account) VALUES ('') RETURNING n, twice`;
  expect(next).toEqual({ n: "4", twice: "8" });
  await expect(to`INSERT INTO tokens (account) VALUES ('nobody')`.execute()).rejects.toMatchObject({
    code: "23503",
  });
  const deferrable = await to`SELECT FROM pg_constraint WHERE condeferrable`;
  expect(deferrable).toHaveLength(0);
  // A second time, the same bytes.
  await to`DELETE FROM tokens WHERE n = 4`;
  expect((await bodyOf(from.url)).body.equals(body)).toBe(true);
});

test("a snapshot sees nothing that is written after it was opened", async () => {
  const { sql, url } = await filled();
  const snapshot = await openSnapshot(url, SERVICE);
  await sql`INSERT INTO accounts (id) VALUES ('later')`;
  const pieces: Buffer[] = [];
  for await (const piece of snapshot.body()) pieces.push(piece);
  await snapshot.close();
  expect(Buffer.concat(pieces).includes("later")).toBe(false);
  expect((await bodyOf(url)).body.includes("later")).toBe(true);
});

test("a backup of an earlier version is brought up to date", async () => {
  const from = await filled(1);
  const { version, body } = await bodyOf(from.url);
  expect(version).toBe(1);
  const to = await loaded((await created()).url, body);
  expect([...(await to`SELECT DISTINCT note FROM accounts`)]).toEqual([{ note: "new" }]);
});

test("a database with tables is refused, or its tables are moved aside", async () => {
  const { body } = await bodyOf((await filled()).url);
  const taken = await filled();
  await taken.sql`UPDATE head SET last = 7`;
  await expect(loaded(taken.url, body)).rejects.toThrow("has tables already");
  expect([...(await taken.sql`SELECT last FROM head`)]).toEqual([{ last: "7" }]);
  const to = await loaded(taken.url, body, SERVICE, "before_restore");
  expect([...(await to`SELECT last FROM head`)]).toEqual([{ last: "42" }]);
  expect([...(await to`SELECT last FROM before_restore.head`)]).toEqual([{ last: "7" }]);
});

test("nobody sees what is loaded before it is committed, and what is discarded is gone", async () => {
  const { body } = await bodyOf((await filled()).url);
  const taken = await filled();
  await taken.sql`UPDATE head SET last = 7`;
  const lastOf = async () => [...(await taken.sql`SELECT last FROM public.head`)];
  const options = { setAside: "before_restore" };
  const first = await loadDatabase(taken.url, SERVICE, pieces(body), options);
  // The schema's new name is not committed: a reader waits for neither.
  expect(await taken.sql`SELECT FROM pg_namespace WHERE nspname = 'before_restore'`).toHaveLength(0);
  await first.discard();
  await first.sql.end();
  expect(await lastOf()).toEqual([{ last: "7" }]);
  const settle = async () => {
    throw new Error("unsettled");
  };
  await expect(loadDatabase(taken.url, SERVICE, pieces(body), { ...options, settle })).rejects.toThrow(
    "unsettled",
  );
  expect(await lastOf()).toEqual([{ last: "7" }]);
});

test("a database that takes no writes is refused with its code", async () => {
  const { body } = await bodyOf((await filled()).url);
  const { sql, url } = await created();
  await sql.unsafe(`ALTER DATABASE ${new URL(url).pathname.slice(1)} SET default_transaction_read_only = on`);
  await expect(loaded(url, body)).rejects.toMatchObject({ code: "database_read_only" });
});

test("a database without a schema of ours is told before anything is written", async () => {
  const { url } = await created();
  await expect(openSnapshot(url, SERVICE)).rejects.toThrow("has no tables of skerry");
});

test("a row that could not be read back is refused when it is written", async () => {
  const { sql, url } = await filled();
  await sql`INSERT INTO accounts (id, parent) VALUES ('long', ${"x".repeat(LINE_SIZE_MAX)})`;
  await expect(bodyOf(url)).rejects.toThrow(`accounts has a row above ${LINE_SIZE_MAX} bytes`);
});

test("what fails half-way leaves nothing", async () => {
  const { body } = await bodyOf((await filled()).url);
  const lines = body.toString().split("\n");
  const lost = lines.filter((line) => !line.startsWith('["ü')).join("\n");
  const place = await created();
  // Rows refer to one that is missing.
  await expect(loaded(place.url, Buffer.from(lost))).rejects.toMatchObject({ code: "23503" });
  const cut = body.subarray(0, body.length - 5);
  await expect(loaded(place.url, cut)).rejects.toThrow("ends within a line");
  const strange = Buffer.from(
    body.toString().replace('"table":"head"', '"table":"pg_proc; DROP TABLE accounts"'),
  );
  await expect(loaded(place.url, strange)).rejects.toThrow("is unknown");
  expect(await place.sql`SELECT FROM pg_class WHERE relnamespace = 'public'::regnamespace`).toHaveLength(0);
});

test("a schema that is newer, or of another program, is refused on both sides", async () => {
  const { url } = await filled();
  const { body } = await bodyOf(url);
  const older = { ...SERVICE, migrations: MIGRATIONS.slice(0, 1) };
  await expect(openSnapshot(url, older)).rejects.toMatchObject({ code: "database_newer" });
  await expect(loaded((await created()).url, body, older)).rejects.toMatchObject({ code: "database_newer" });
  const other = { ...SERVICE, migrations: [{ name: "other", up: "SELECT 1" }, MIGRATIONS[1]!] };
  await expect(loaded((await created()).url, body, other)).rejects.toMatchObject({ code: "history_differs" });
});

test("a database that is not there is told, and not made", async () => {
  const missing = openSnapshot(server.url, { ...SERVICE, name: "events" });
  await expect(missing).rejects.toMatchObject({ code: "database_missing" });
});

test("the audit log comes back sound, and is as append-only as before", async () => {
  const service = SERVICES.find(({ name }) => name === "audit")!;
  const from = await created();
  const options = { clusterSecret: "secret", clock: systemClock, log: silentLog };
  const before = await createAudit({ sql: from.sql, ...options });
  const event = { action: "auth:SignIn", resource: "", outcome: "allowed" } as const;
  for (const id of ["a", "b", "c"]) await before.committed({ actor: { kind: "user", id }, ...event });
  await before.close();
  const to = await loaded((await created()).url, (await bodyOf(from.url, service)).body, service);
  const after = await createAudit({ sql: to, ...options });
  expect(await after.committed({ actor: { kind: "user", id: "d" }, ...event })).toBe(4);
  expect(await after.verify()).toMatchObject({ sound: true, checked: 4 });
  await after.close();
  for (const change of [
    "UPDATE entries SET actor_id = 'x'",
    "DELETE FROM entries",
    "TRUNCATE entries",
    "DELETE FROM chain",
  ]) {
    await expect(to.unsafe(change).execute()).rejects.toThrow("append-only");
  }
});

test("a line above the limit is refused before it is held", async () => {
  const endless = (async function* () {
    for (;;) yield Buffer.alloc(1 << 20, "x");
  })();
  const read = async () => {
    for await (const _ of linesOf(endless)) {
      // None comes.
    }
  };
  await expect(read()).rejects.toThrow(`a line above ${LINE_SIZE_MAX} bytes`);
  expect(encodeLine({ sequence: "s", last: "1" }).toString()).toBe('{"sequence":"s","last":"1"}\n');
});
