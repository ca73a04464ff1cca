import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { Hono } from "hono";
import { silentLog } from "../../std/log.ts";
import { ACTIONS } from "../policy/actions.ts";
import { type AuditApp, createAuditApp, type Decide } from "./app.ts";
import { audited, type Described } from "./audited.ts";
import { ANONYMOUS, OPERATOR } from "./entry.ts";
import type { AuditEntry } from "./reader.ts";
import type { AuditService } from "./service.ts";
import { AuditBench, event, eventually } from "./test-audit.ts";

// A real PostgreSQL on a loaded machine.
setDefaultTimeout(60_000);

const ALICE = { kind: "user", id: "u1", name: "alice" } as const;
let bench: AuditBench;
let audit: AuditService;
let database: string;
let app: AuditApp;
let asked: string[] = [];

/** By header: an operator may all, alice may nothing. */
const decide: Decide = async (context, action, resource) => {
  asked.push(`${action} ${resource}`);
  const who = context.req.header("x-who");
  if (who === "operator") return { allowed: true, actor: OPERATOR };
  const refused = { allowed: false, message: "No" } as const;
  if (who === "alice") return { ...refused, actor: ALICE, code: "forbidden" };
  return { ...refused, actor: ANONYMOUS, code: "unauthenticated" };
};

beforeAll(async () => {
  bench = await AuditBench.start();
  ({ audit, database } = await bench.open());
  app = createAuditApp({ audit, decide, log: silentLog });
  for (let n = 1; n <= 3; n++) await audit.committed(event({ requestId: `r${n}` }));
});

afterAll(() => bench.stop());

async function call(path: string, { who = "operator", method = "GET", body = undefined as unknown } = {}) {
  const headers: Record<string, string> = { "x-who": who, "user-agent": "tester", "x-request-id": "forged" };
  if (body !== undefined) headers["content-type"] = "application/json";
  const request = new Request(`http://x${path}`, {
    method,
    headers,
    body: body === undefined ? undefined : JSON.stringify(body),
  });
  const response = await app.fetch(request, { source: "192.0.2.7", requestId: "req-1" });
  const text = await response.text();
  return { status: response.status, headers: response.headers, text };
}

const newest = async (): Promise<AuditEntry> => (await audit.entries({}, { limit: 1 })).entries[0]!;

const ROUTES: [method: string, path: string, action: (typeof ACTIONS)[number], body?: unknown][] = [
  ["GET", "/entries", "auth:ReadAudit"],
  ["GET", "/export", "auth:ExportAudit"],
  ["GET", "/verify", "auth:ReadAudit"],
  ["GET", "/retention", "auth:ReadAudit"],
  ["PUT", "/retention", "auth:UpdateAuditRetention", { days: 400 }],
];

test("each route asks for its action, and lets nobody through whom the decision refuses", async () => {
  const routes = app.routes
    .filter(({ path }) => path !== "/*")
    .map(({ method, path }) => `${method} ${path}`);
  const open = ["GET /openapi.json"];
  expect([...new Set(routes)]).toEqual([...ROUTES.map(([method, path]) => `${method} ${path}`), ...open]);
  for (const [method, path, action, body] of ROUTES) {
    asked = [];
    const statuses = [];
    for (const who of ["nobody", "alice", "operator"])
      statuses.push((await call(path, { who, method, body })).status);
    expect([path, statuses]).toEqual([path, [401, 403, 200]]);
    expect(asked).toEqual(Array(3).fill(`${action} arn:skerry:auth:::audit-entry/`));
    expect(ACTIONS).toContain(action);
  }
});

test("entries are told in pages", async () => {
  const { text, headers } = await call("/entries?actor=alice&action=auth:Create*&limit=2");
  expect(headers.get("cache-control")).toBe("no-store");
  const page = JSON.parse(text);
  expect(page.entries.map((entry: AuditEntry) => entry.requestId)).toEqual(["r3", "r2"]);
  const rest = JSON.parse(
    (await call(`/entries?actor=alice&action=auth:Create*&limit=2&before=${page.next}`)).text,
  );
  expect(rest).toEqual({ entries: [expect.objectContaining({ requestId: "r1" })] });
});

test("what makes no sense is refused by name", async () => {
  const wrong: [string, string][] = [
    ["/entries?limit=0", "limit"],
    ["/entries?limit=1001", "limit"],
    ["/entries?before=x", "before"],
    ["/entries?before=1&after=1", "not both"],
    ["/entries?action=s3:*Object", "action"],
    ["/entries?outcome=maybe", "outcome"],
    ["/entries?since=yesterday", "since"],
    ["/entries?acto=alice", "acto"],
    ["/export?limit=3", "limit"],
    ["/verify?sequence=3", "sequence needs hash"],
    ["/verify?sequence=3&hash=zz", "hash"],
  ];
  for (const [path, what] of wrong) {
    const { status, text } = await call(path);
    expect([path, status, text]).toEqual([path, 400, expect.stringContaining("invalid_request")]);
    expect(JSON.parse(text).error.message).toContain(what);
  }
  for (const body of [{ days: 0 }, { days: 3_651 }, { days: 1.5 }, {}, { days: 1, more: 2 }]) {
    expect((await call("/retention", { method: "PUT", body })).status).toBe(400);
  }
  expect((await call("/nothing")).status).toBe(404);
});

test("an export is JSON lines", async () => {
  const { text, headers } = await call("/export?actor=alice&action=auth:CreateUser");
  expect(headers.get("content-type")).toBe("application/x-ndjson");
  const lines = text.split("\n");
  expect(lines.pop()).toBe("");
  expect(lines.map((line) => JSON.parse(line).requestId)).toEqual(["r1", "r2", "r3"]);
  expect((await call("/export?actor=nobody")).text).toBe("");
});

test("exports that are broken off give their places back", async () => {
  for (let n = 0; n < 5; n++) {
    const response = await app.fetch(new Request("http://x/export", { headers: { "x-who": "operator" } }));
    expect(response.status).toBe(200);
    await response.body!.cancel();
  }
});

test("the chain is checked from a position that was noted", async () => {
  // Behind all that is on its way.
  await audit.committed(event());
  const { through } = JSON.parse((await call("/verify")).text);
  await audit.committed(event());
  const { text } = await call(`/verify?sequence=${through.sequence}&hash=${through.hash}`);
  expect(JSON.parse(text)).toMatchObject({ sound: true, checked: 1, complete: true });
  const wrong = await call(`/verify?sequence=${through.sequence}&hash=${"0".repeat(64)}`);
  expect(JSON.parse(wrong.text)).toMatchObject({ sound: false, broken: { problem: "anchor_differs" } });
});

test("the log records its own changes and refusals", async () => {
  await call("/retention", { method: "PUT", body: { days: 90 } });
  expect(await newest()).toMatchObject({
    actor: { kind: "operator" },
    action: "auth:UpdateAuditRetention",
    resource: "arn:skerry:auth:::audit-entry/",
    outcome: "allowed",
    code: "",
    source: "192.0.2.7",
    userAgent: "tester",
    requestId: "req-1",
    details: { days: 90 },
  });
  expect(JSON.parse((await call("/retention")).text)).toEqual({ days: 90 });
  const { entries } = await audit.entries({ outcome: "refused", action: "auth:ExportAudit" }, { limit: 9 });
  expect(entries.map(({ actor, code }) => [actor.name, code])).toEqual([
    ["alice", "forbidden"],
    ["", "unauthenticated"],
  ]);
});

/** An app whose answers are what the path says, behind the middleware. */
function echoApp(log: Pick<AuditService, "record" | "reserve">, ran: string[]) {
  const described: Described = { actor: ALICE, action: "s3:PutObject", resource: "arn:aws:s3:::b/k" };
  return new Hono()
    .use(audited(log, (context) => (context.req.path === "/unknown" ? undefined : described)))
    .all("/:status", (context) => {
      ran.push(`${context.req.method} ${context.req.path}`);
      return context.body("secret", Number(context.req.param("status")) as 200);
    })
    .onError((error) => new Response(error.message, { status: 403 }));
}

test("a middleware records each change and each refusal, and no other read", async () => {
  const { audit: log } = await bench.open();
  const echo = echoApp(log, []);
  const outcomes = async (method: string, ...statuses: number[]) => {
    for (const status of statuses) await echo.request(`/${status}`, { method });
  };
  await outcomes("GET", 200, 404, 500, 401, 403);
  await outcomes("DELETE", 200, 201, 403, 409, 500);
  await echo.request("/unknown", { method: "PUT" });
  await log.committed(event({ code: "end" }));
  const { entries } = await log.entries({}, { limit: 99 });
  expect(entries.map(({ outcome, code }) => `${outcome} ${code}`).sort()).toEqual(
    [
      ...["refused http_401", "refused http_403", "allowed ", "allowed "],
      // The second 403 is equal to the first, and folded.
      ...["failed http_409", "failed http_500", "allowed end"],
    ].sort(),
  );
});

test("without a place in the log no change is made, and one that was not recorded is not told as done", async () => {
  const { audit: log, database: own } = await bench.open();
  const ran: string[] = [];
  const echo = echoApp(log, ran);
  await bench.takeAway(own);
  const made = await echo.request("/200", { method: "PUT" });
  expect([made.status, await made.json()]).toMatchObject([503, { error: { code: "audit_unavailable" } }]);
  expect(ran).toEqual(["PUT /200"]);
  const refused = await echo.request("/200", { method: "PUT" });
  expect([refused.status, await refused.json()]).toMatchObject([
    503,
    { error: { code: "audit_unavailable" } },
  ]);
  expect(ran).toEqual(["PUT /200"]);
  expect((await echo.request("/200")).status).toBe(200);
  await bench.giveBack(own);
  await eventually(async () => (await echo.request("/200", { method: "PUT" })).status === 200);
  const { entries } = await log.entries({}, { limit: 9 });
  expect(entries.length).toBe(2);
});

test("while the database is away the API says so", async () => {
  await bench.takeAway(database);
  const { status, text } = await call("/entries");
  expect([status, JSON.parse(text).error.code]).toEqual([503, "audit_unavailable"]);
  await bench.giveBack(database);
  await eventually(async () => (await call("/entries")).status === 200);
});
