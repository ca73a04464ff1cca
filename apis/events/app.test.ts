// The events' API behind the real auth service and the audit log, on a real PostgreSQL.
import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { openDatabase } from "../../std/db/database.ts";
import { silentLog } from "../../std/log.ts";
import { systemRandom } from "../../std/random.ts";
import { type AuditService, createAudit } from "../audit/service.ts";
import { decideByAuth } from "../audit-access.ts";
import { AheadClock, AuthBench, PASSWORD, tokenOf } from "../auth/test-auth.ts";
import { createEventsApp } from "./app.ts";
import { type OpenBus, openBus } from "./open-bus.ts";

// A real PostgreSQL on a loaded machine.
setDefaultTimeout(60_000);

let bench: AuthBench;
let audit: AuditService;
let events: OpenBus;
let app: ReturnType<typeof createEventsApp>;
let tokens: Record<string, string>;
let close: () => Promise<void>;

beforeAll(async () => {
  bench = await AuthBench.start();
  const { auth } = await bench.open();
  const clock = new AheadClock();
  const sql = await openDatabase(bench.server.url, "audit", { log: silentLog });
  audit = await createAudit({ sql, clusterSecret: "secret", clock, log: silentLog });
  events = await openBus({ clock, random: systemRandom, log: silentLog }, { databaseUrl: bench.server.url });
  close = async () => {
    await events.close();
    await audit.close();
    await sql.end({ timeout: 1 });
  };
  app = createEventsApp({ bus: events.bus, audit, decide: decideByAuth(auth), clock, log: silentLog });
  await auth.ensureAdmin({ name: "root", password: PASSWORD });
  await auth.createUser({ name: "alice", password: PASSWORD });
  tokens = { root: await tokenOf(auth, "root"), alice: await tokenOf(auth, "alice") };
});

afterAll(async () => {
  await close();
  await bench.stop();
});

async function statusOf(method: string, path: string, bearer: string | undefined): Promise<number> {
  const headers: Record<string, string> = bearer === undefined ? {} : { authorization: `Bearer ${bearer}` };
  const request = new Request(`https://cloud.test${path}`, { method, headers });
  const response = await app.fetch(request, { source: "192.0.2.1" });
  await response.body?.cancel();
  return response.status;
}

const ID = "0193f000-0000-7000-8000-000000000000";
const ROUTES: [method: string, path: string, forRoot: number][] = [
  ["GET", "/tail", 200],
  ["GET", "/tail?subject=a..b", 400],
  ["GET", "/dead", 200],
  ["POST", "/dead/some/replay", 200],
  ["POST", `/dead/some/${ID}/replay`, 404],
  ["DELETE", `/dead/some/${ID}`, 404],
];

test("administrators look after events; users and strangers do not", async () => {
  for (const [method, path, forRoot] of ROUTES) {
    const statuses = [
      await statusOf(method, path, undefined),
      await statusOf(method, path, tokens.alice),
      await statusOf(method, path, tokens.root),
    ];
    expect([method, path, statuses]).toEqual([method, path, [401, 403, forRoot]]);
  }
});

test("every route is in the table, and what changes something is in the audit log", async () => {
  const routes = app.routes
    .filter(({ method }) => method !== "ALL")
    .map(({ method, path }) => `${method} ${path}`);
  const table = ROUTES.map(([method, path]) =>
    `${method} ${path}`.replace("some", ":consumer").replace(ID, ":id").replace(/\?.*/, ""),
  );
  expect([...new Set(routes)].sort()).toEqual([...new Set(table), "GET /openapi.json"].sort());
  const { entries } = await audit.entries(
    { action: "events:ReplayDeadLetters", outcome: "allowed" },
    { limit: 9 },
  );
  expect(entries.map(({ actor, details }) => [actor.name, details])).toEqual([
    ["root", { consumer: "some" }],
  ]);
});

test("a tail that nobody reads any more makes room for another", async () => {
  for (let round = 0; round < 40; round++) expect(await statusOf("GET", "/tail", tokens.root)).toBe(200);
});

test("a tail shows that it goes on, and ends with the bus", async () => {
  const request = new Request("https://cloud.test/tail", {
    headers: { authorization: `Bearer ${tokens.root}` },
  });
  const response = await app.fetch(request, { source: "192.0.2.1" });
  const reader = response.body!.getReader();
  const first = await reader.read();
  expect(Buffer.from(first.value!).toString()).toBe("\n");
  const rest = reader.read();
  await events.bus.close();
  expect((await rest).done).toBe(true);
});
