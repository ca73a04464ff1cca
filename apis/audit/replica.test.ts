// The audit log with a read replica: a real standby that follows its primary.
import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { appendFile, cp, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { systemClock } from "../../std/clock.ts";
import { openDatabase, replicaPool } from "../../std/db/database.ts";
import { type EmbeddedPostgres, startEmbeddedPostgres } from "../../std/db/embedded.ts";
import { silentLog } from "../../std/log.ts";
import type { AuditEntry } from "./reader.ts";
import { type AuditService, createAudit } from "./service.ts";
import { event, eventually, SECRET } from "./test-audit.ts";

// Two real PostgreSQL on a loaded machine.
setDefaultTimeout(120_000);

const ends = new AsyncDisposableStack();
let directory: string;
let primary: EmbeddedPostgres;
let standby: EmbeddedPostgres;

const started = (name: string) => startEmbeddedPostgres({ directory: join(directory, name), log: silentLog });

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "skerry-replica-"));
  ends.defer(() => rm(directory, { recursive: true, force: true }));
  await (await started("primary")).stop();
  const copy = join(directory, "standby");
  await cp(join(directory, "primary"), copy, { recursive: true });
  await rm(join(copy, "port"));
  primary = await started("primary");
  ends.defer(() => primary.stop());
  await writeFile(join(copy, "data", "standby.signal"), "");
  const from = new URL(primary.url);
  await appendFile(
    join(copy, "data", "postgresql.auto.conf"),
    `primary_conninfo = 'host=127.0.0.1 port=${from.port} user=postgres password=${from.password}'\n`,
  );
  standby = await started("standby");
  ends.defer(() => standby.stop());
});

afterAll(() => ends.disposeAsync());

/** The log of a database of its own, read through the standby. */
async function open(name: string): Promise<AuditService> {
  const sql = await openDatabase(primary.url, name, { log: silentLog });
  const replica = replicaPool(standby.url, name, silentLog);
  ends.defer(async () => {
    await replica.end({ timeout: 1 });
    await sql.end({ timeout: 1 });
  });
  const audit = await createAudit({
    sql,
    replica,
    clusterSecret: SECRET,
    clock: systemClock,
    log: silentLog,
  });
  ends.defer(() => audit.close());
  // Until it has the tables, the primary answers, and the standby is left alone for a while.
  await eventually(async () => {
    const [row] = await replica`SELECT to_regclass('chain') IS NOT NULL AS there`.catch(() => []);
    return row?.there;
  });
  return audit;
}

const names = (entries: AuditEntry[]) => entries.map(({ requestId }) => requestId);
const page = async (audit: AuditService) => names((await audit.entries({}, { limit: 10 })).entries);
const exported = async (audit: AuditService) => names((await Array.fromAsync(audit.export({}))).flat());

test("entries are looked up and exported on the replica, and appended and checked on the primary", async () => {
  const audit = await open("followed");
  await audit.committed(event({ requestId: "a" }));
  await eventually(async () => (await page(audit)).includes("a"));
  const pool = await openDatabase(standby.url, "postgres", { log: silentLog });
  await pool`SELECT pg_wal_replay_pause()`;
  try {
    await audit.committed(event({ requestId: "b" }));
    expect(await page(audit)).toEqual(["a"]);
    expect(await exported(audit)).toEqual(["a"]);
    expect(await audit.verify()).toMatchObject({ sound: true, checked: 2 });
  } finally {
    await pool`SELECT pg_wal_replay_resume()`;
    await pool.end();
  }
  await eventually(async () => (await page(audit)).includes("b"));
});

test("the primary answers while the replica is away", async () => {
  const audit = await open("alone");
  await audit.committed(event({ requestId: "a" }));
  await standby.stop();
  expect(await page(audit)).toEqual(["a"]);
  expect(await exported(audit)).toEqual(["a"]);
});

test("a replica that was never there keeps nothing from working", async () => {
  const sql = await openDatabase(primary.url, "never", { log: silentLog });
  const replica = replicaPool("postgres://u:p@127.0.0.1:1", "never", silentLog);
  const audit = await createAudit({
    sql,
    replica,
    clusterSecret: SECRET,
    clock: systemClock,
    log: silentLog,
  });
  await audit.committed(event({ requestId: "a" }));
  expect(await exported(audit)).toEqual(["a"]);
  await audit.close();
  await replica.end({ timeout: 1 });
  await sql.end({ timeout: 1 });
});
