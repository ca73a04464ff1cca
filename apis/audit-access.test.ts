// The audit log's API behind the real auth service, on a real PostgreSQL.
import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { openDatabase } from "../std/db/database.ts";
import { silentLog } from "../std/log.ts";
import { type AuditApp, createAuditApp } from "./audit/app.ts";
import { type AuditService, createAudit } from "./audit/service.ts";
import { decideByAuth } from "./audit-access.ts";
import { AheadClock, AuthBench, PASSWORD, tokenOf } from "./auth/test-auth.ts";

// A real PostgreSQL on a loaded machine.
setDefaultTimeout(60_000);

let bench: AuthBench;
let audit: AuditService;
let app: AuditApp;
let tokens: Record<string, string>;
let close: () => Promise<void>;

beforeAll(async () => {
  bench = await AuthBench.start();
  const { auth } = await bench.open();
  const sql = await openDatabase(bench.server.url, "audit", { log: silentLog });
  audit = await createAudit({ sql, clusterSecret: "secret", clock: new AheadClock(), log: silentLog });
  close = async () => {
    await audit.close();
    await sql.end({ timeout: 1 });
  };
  app = createAuditApp({ audit, decide: decideByAuth(auth), log: silentLog });
  await auth.ensureAdmin({ name: "root", password: PASSWORD });
  await auth.createUser({ name: "alice", password: PASSWORD });
  tokens = { root: await tokenOf(auth, "root"), alice: await tokenOf(auth, "alice") };
});

afterAll(async () => {
  await close();
  await bench.stop();
});

async function statusOf(method: string, path: string, headers: Record<string, string>): Promise<number> {
  const body = method === "PUT" ? '{"days":90}' : undefined;
  const request = new Request(`https://cloud.test${path}`, {
    method,
    headers: { "content-type": "application/json", ...headers },
    body,
  });
  const response = await app.fetch(request, { source: "192.0.2.1" });
  await response.arrayBuffer();
  return response.status;
}

const ROUTES: [method: string, path: string][] = [
  ["GET", "/entries"],
  ["GET", "/export"],
  ["GET", "/verify"],
  ["GET", "/retention"],
  ["PUT", "/retention"],
];

test("administrators read the log and set its retention; users and strangers do neither", async () => {
  for (const [method, path] of ROUTES) {
    const statuses = [
      await statusOf(method, path, {}),
      await statusOf(method, path, { authorization: "Bearer wrong" }),
      await statusOf(method, path, { authorization: `Bearer ${tokens.alice}` }),
      await statusOf(method, path, { authorization: `Bearer ${tokens.root}` }),
    ];
    expect([method, path, statuses]).toEqual([method, path, [401, 401, 403, 200]]);
  }
});

test("a cookie alone does not change the retention", async () => {
  const cookie = `__Host-skerry_session=${tokens.root}`;
  expect(await statusOf("GET", "/retention", { cookie })).toBe(200);
  expect(await statusOf("PUT", "/retention", { cookie })).toBe(403);
  expect(await statusOf("PUT", "/retention", { cookie, "x-skerry-csrf": "1" })).toBe(200);
});

test("entries name the user and the session", async () => {
  await statusOf("PUT", "/retention", { authorization: `Bearer ${tokens.root}` });
  const [entry] = (await audit.entries({ outcome: "allowed" }, { limit: 1 })).entries;
  expect(entry!.actor).toMatchObject({ kind: "user", name: "root" });
  expect(entry!.actor.credential).toMatch(/^session:\S+$/);
  expect(JSON.stringify(entry)).not.toContain(tokens.root);
});
