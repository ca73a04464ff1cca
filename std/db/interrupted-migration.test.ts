// A migration whose process or server is killed in the middle: what was begun is gone, and the next start does it.
import { afterEach, expect, setDefaultTimeout, test } from "bun:test";
import { join } from "node:path";
import { silentLog } from "../log.ts";
import { type Database, isUnreachable, openDatabase } from "./database.ts";
import { type EmbeddedPostgres, startEmbeddedPostgres } from "./embedded.ts";
import { type Migration, migrate } from "./migrate.ts";
import { startTestServer } from "./test-server.ts";
import { locked, schemaOf, waiting } from "./test-upgrades.ts";

// A real PostgreSQL on a loaded machine.
setDefaultTimeout(120_000);

const MIGRATIONS: Migration[] = [
  { name: "words", up: "CREATE TABLE words (word text PRIMARY KEY); INSERT INTO words VALUES ('first')" },
  { name: "upper", up: "ALTER TABLE words ADD COLUMN upper text; UPDATE words SET upper = upper(word)" },
];

const ends = new AsyncDisposableStack();
afterEach(() => ends.disposeAsync());

async function open(server: EmbeddedPostgres): Promise<Database> {
  const sql = await openDatabase(server.url, "cut", { log: silentLog });
  ends.defer(() => sql.end({ timeout: 1 }));
  return sql;
}

const words = async (sql: Database) => [...(await sql`SELECT * FROM words`)];

test("the process and then the server are killed: the schema is the earlier one, and the next start brings it on", async () => {
  const server = await startTestServer();
  ends.defer(() => server.remove());
  const sql = await open(server);
  await migrate(sql, MIGRATIONS.slice(0, 1), silentLog);
  const before = await schemaOf(sql);

  await using holder = await locked(sql, "schema_migrations");
  const script = `
    import { openDatabase } from "${join(import.meta.dir, "database.ts")}";
    import { migrate } from "${join(import.meta.dir, "migrate.ts")}";
    import { silentLog } from "${join(import.meta.dir, "../log.ts")}";
    const sql = await openDatabase(${JSON.stringify(server.url)}, "cut", { log: silentLog });
    await migrate(sql, ${JSON.stringify(MIGRATIONS)}, silentLog);`;
  const child = Bun.spawn([process.execPath, "-e", script], { stdout: "ignore", stderr: "inherit" });
  await waiting(sql);
  child.kill("SIGKILL");
  await child.exited;
  await holder.release();
  // It waits for what the dead process has left at the server.
  expect(await words(sql)).toEqual([{ word: "first" }]);
  expect(await schemaOf(sql)).toEqual(before);

  const again = await locked(sql, "schema_migrations");
  const cut = migrate(sql, MIGRATIONS, silentLog).catch((error: unknown) => error);
  await waiting(sql);
  process.kill(server.pid, "SIGKILL");
  expect(isUnreachable(await cut)).toBe(true);
  await again.release().catch(() => {});
  await server.exited;

  const restarted = await startEmbeddedPostgres({ directory: server.directory, log: silentLog });
  ends.defer(() => restarted.stop());
  const anew = await open(restarted);
  expect(await schemaOf(anew)).toEqual(before);
  await migrate(anew, MIGRATIONS, silentLog);
  expect(await words(anew)).toEqual([{ word: "first", upper: "FIRST" }]);
});
