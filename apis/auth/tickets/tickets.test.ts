import { afterAll, afterEach, beforeAll, beforeEach, expect, setDefaultTimeout, test } from "bun:test";
import type { Database } from "../../../std/db/database.ts";
import { silentLog } from "../../../std/log.ts";
import { type AuthApp, createAuthApp } from "../app.ts";
import type { AuthService } from "../service.ts";
import type { LiveSession } from "../sessions/sessions.ts";
import { AuthBench, PASSWORD, tokenOf } from "../test-auth.ts";
import { TICKET_MS, TICKETS_PER_SESSION_MAX } from "./tickets.ts";

// A real PostgreSQL on a loaded machine.
setDefaultTimeout(60_000);

const PATH = "/api/logs/stream";
let bench: AuthBench;
let auth: AuthService;
let app: AuthApp;
let sql: Database;
let token: string;
let session: LiveSession;

beforeAll(async () => {
  bench = await AuthBench.start();
  ({ auth, sql } = await bench.open("main"));
  app = createAuthApp(auth, silentLog);
  await auth.ensureAdmin({ name: "root", password: PASSWORD });
});

beforeEach(async () => {
  token = await tokenOf(auth, "root");
  session = (await auth.session(token))!;
});

afterEach(() => {
  bench.clock.aheadMs = 0;
});

afterAll(() => bench.stop());

const issue = async (path = PATH) => (await auth.tickets.issue(session, path)).ticket;

test("a ticket stands for its session once", async () => {
  const ticket = await issue();
  expect(await auth.tickets.redeem(ticket, PATH)).toEqual(session);
  expect(await auth.tickets.redeem(ticket, PATH)).toBeUndefined();
});

test("of many who use one ticket at the same time one gets through", async () => {
  const ticket = await issue();
  const there = (await bench.open("main")).auth;
  const tries = Array.from({ length: 10 }, (_, n) => (n % 2 ? auth : there).tickets.redeem(ticket, PATH));
  expect((await Promise.all(tries)).filter(Boolean)).toHaveLength(1);
});

test("a ticket is worth nothing for another path, after half a minute, or when its session ended", async () => {
  const elsewhere = await issue();
  expect(await auth.tickets.redeem(elsewhere, "/api/logs")).toBeUndefined();
  expect(await auth.tickets.redeem(elsewhere, PATH)).toBeUndefined();
  const late = await issue();
  bench.clock.aheadMs = TICKET_MS;
  expect(await auth.tickets.redeem(late, PATH)).toBeUndefined();
  bench.clock.aheadMs = 0;
  const orphan = await issue();
  await auth.signOut(session);
  expect(await auth.tickets.redeem(orphan, PATH)).toBeUndefined();
});

test("a session that ended gets no ticket that works", async () => {
  await auth.signOut(session);
  expect(await auth.tickets.redeem(await issue(), PATH)).toBeUndefined();
});

test("a session has a bounded number of tickets, and those that are over are removed", async () => {
  const tickets: string[] = [];
  for (let n = 0; n <= TICKETS_PER_SESSION_MAX; n++) {
    bench.clock.aheadMs = n;
    tickets.push(await issue());
  }
  expect(await auth.tickets.redeem(tickets[0]!, PATH)).toBeUndefined();
  expect(await auth.tickets.redeem(tickets[1]!, PATH)).toBeDefined();
  const rest = await sql`SELECT FROM tickets WHERE session_id = ${session.id}`;
  expect(rest).toHaveLength(TICKETS_PER_SESSION_MAX - 1);
  bench.clock.aheadMs = 2 * TICKET_MS;
  await auth.maintain();
  expect(await sql`SELECT FROM tickets`).toHaveLength(0);
});

test("the database does not hold a ticket", async () => {
  const ticket = await issue();
  const [row] = await sql<{ text: string }[]>`SELECT tickets::text AS text FROM tickets`;
  expect(row?.text).toContain(session.id);
  expect(row?.text).not.toContain(ticket.slice(4));
  expect(row?.text).not.toContain(Buffer.from(ticket.slice(4), "base64url").toString("hex"));
});

async function get(path: string, headers: Record<string, string> = {}, method = "GET") {
  return app.fetch(new Request(`https://cloud.test${path}`, { method, headers }), { source: "192.0.2.1" });
}

test("E08: the query takes a ticket, once, and no access token", async () => {
  const ticket = await issue("/session");
  expect((await get(`/session?token=${ticket}`)).status).toBe(200);
  expect((await get(`/session?token=${ticket}`)).status).toBe(401);
  expect((await get(`/session?token=${token}`)).status).toBe(401);
  // A cookie does not make up for a wrong ticket, nor is a ticket good for a change.
  const cookie = `__Host-skerry_session=${token}`;
  expect((await get("/session", { cookie })).status).toBe(200);
  expect((await get(`/session?token=${ticket}`, { cookie })).status).toBe(401);
  expect((await get(`/session?token=${await issue("/session")}`, {}, "DELETE")).status).toBe(401);
});

test.each([
  "",
  "relative",
  "/a?b=c",
  "/a#b",
  "//host/x",
  "/a\\b",
  "/a b",
  `/${"x".repeat(512)}`,
  "https://x/y",
])("a ticket for the path %j is refused", async (path) => {
  const answer = await app.request("https://cloud.test/tickets", {
    method: "POST",
    headers: { authorization: `Bearer ${token}`, "content-type": "application/json" },
    body: JSON.stringify({ path }),
  });
  expect(answer.status).toBe(400);
});
