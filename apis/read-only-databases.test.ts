// A server that goes on answering and takes no writes any more, as the old primary does after a failover.
import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { systemClock } from "../std/clock.ts";
import type { Database } from "../std/db/database.ts";
import { silentLog } from "../std/log.ts";
import { createAudit } from "./audit/service.ts";
import { event, eventually, SECRET } from "./audit/test-audit.ts";
import { createAuthApp } from "./auth/app.ts";
import { AuthBench, PASSWORD, refusal, tokenOf } from "./auth/test-auth.ts";

// A real PostgreSQL on a loaded machine.
setDefaultTimeout(60_000);

let bench: AuthBench;
beforeAll(async () => {
  bench = await AuthBench.start();
});
afterAll(() => bench.stop());

/** Of every session on the server, those that are open included. */
async function takeWrites(takes: boolean, seenBy: readonly Database[]): Promise<void> {
  const sql = await bench.connect("postgres");
  await sql.unsafe(`ALTER SYSTEM SET default_transaction_read_only = ${takes ? "off" : "on"}`);
  await sql`SELECT pg_reload_conf()`;
  for (const pool of seenBy) {
    await eventually(async () => {
      const [row] = await pool`SHOW default_transaction_read_only`;
      return row!.default_transaction_read_only === (takes ? "off" : "on");
    });
  }
}

test("changes are refused as unavailable and nothing is half-done; what reads goes on; later all works again", async () => {
  const { auth, sql } = await bench.open();
  await auth.ensureAdmin({ name: "root", password: PASSWORD });
  const token = await tokenOf(auth, "root");
  const auditSql = await bench.connect("audit");
  const audit = await createAudit({
    sql: auditSql,
    clusterSecret: SECRET,
    clock: systemClock,
    log: silentLog,
  });
  const app = createAuthApp(auth, silentLog, { audit });
  const create = () =>
    app.request("/users", {
      method: "POST",
      headers: { authorization: `Bearer ${token}`, "content-type": "application/json" },
      body: JSON.stringify({ name: "alice", password: PASSWORD }),
    });

  await takeWrites(false, [sql, auditSql]);
  expect(await refusal(auth.createUser({ name: "bob", password: PASSWORD }))).toBe("unavailable");
  const answer = await create();
  expect([answer.status, await answer.json()]).toMatchObject([
    503,
    { error: { code: expect.stringMatching(/unavailable$/) } },
  ]);
  await expect(audit.committed(event())).rejects.toMatchObject({ code: "audit_unavailable" });
  expect(await auth.verify(token)).toMatchObject({ name: "root" });
  expect((await auth.listUsers()).map(({ name }) => name)).toEqual(["root"]);
  expect((await audit.entries({}, { limit: 10 })).entries).toEqual([]);

  await takeWrites(true, [sql, auditSql]);
  await eventually(async () => (await create()).status === 201);
  expect((await auth.listUsers()).map(({ name }) => name).sort()).toEqual(["alice", "root"]);
  expect(await audit.verify()).toMatchObject({ sound: true });
  await audit.close();
});
