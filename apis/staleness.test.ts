// A process that hears no more of changes: what it lets through, and for how long, at every API and at S3.
import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { delay, systemClock } from "../std/clock.ts";
import type { Database } from "../std/db/database.ts";
import { openDatabase } from "../std/db/database.ts";
import { type EmbeddedPostgres, startEmbeddedPostgres } from "../std/db/embedded.ts";
import { startTestServer, type TestServer } from "../std/db/test-server.ts";
import { silentLog } from "../std/log.ts";
import { systemRandom } from "../std/random.ts";
import { createAuditApp } from "./audit/app.ts";
import { createAudit } from "./audit/service.ts";
import { decideByAuth } from "./audit-access.ts";
import { createAuthApp } from "./auth/app.ts";
import { STALE_MS } from "./auth/change-feed.ts";
import type { AuthService } from "./auth/service.ts";
import { AuthBench, PASSWORD, QuietClock, tokenOf } from "./auth/test-auth.ts";
import { createEventsApp } from "./events/app.ts";
import { openBus } from "./events/open-bus.ts";
import { createStorageApp } from "./storage/app.ts";
import { ObjectStore } from "./storage/objects.ts";
import { type Credentials, signRequest } from "./storage/s3/auth/sign.ts";
import { createS3 } from "./storage/s3/handler.ts";
import type { S3Handler } from "./storage/s3/http.ts";
import { MemoryChunks, MemoryMaster } from "./storage/testing/memory-engine.ts";
import { REGION } from "./storage/testing/s3-double.ts";

// A real PostgreSQL on a loaded machine.
setDefaultTimeout(60_000);

const HOST = "cloud.test";
/** A read of each JSON API that an administrator may do. */
const READS = { auth: "/session", storage: "/buckets", audit: "/retention", events: "/dead" } as const;
type Api = keyof typeof READS;
const APIS = Object.keys(READS) as Api[];
const EVERYTHING = { "auth.*.*": ["read"], "storage.*.*": ["read"], "events.*.*": ["read"] };

let bench: AuthBench;
/** Of the audit log and of events: they are there when auth's is not. */
let others: TestServer;
/** Makes no beats, so it is up to date for the bound and no longer. */
const clock = new QuietClock();
let auth: AuthService;
let sql: Database;
let apps: Record<Api, { fetch(request: Request, env: { source: string }): Response | Promise<Response> }>;
let s3: S3Handler;
let restarted: EmbeddedPostgres | undefined;
const closings: (() => Promise<unknown>)[] = [];

beforeAll(async () => {
  [bench, others] = await Promise.all([AuthBench.start(), startTestServer()]);
  ({ auth, sql } = await bench.open("auth", { clock }));
  const auditSql = await openDatabase(others.url, "audit", { log: silentLog });
  const audit = await createAudit({ sql: auditSql, clusterSecret: "secret", clock, log: silentLog });
  const env = { clock: systemClock, random: systemRandom, log: silentLog };
  const events = await openBus(env, { databaseUrl: others.url });
  closings.push(
    () => events.close(),
    () => audit.close(),
    () => auditSql.end({ timeout: 1 }),
  );
  const chunks = new MemoryChunks();
  const { client: master } = new MemoryMaster();
  const store = new ObjectStore({ master, writer: chunks, reader: chunks, clock: systemClock });
  const { access } = auth;
  const decide = decideByAuth(auth);
  apps = {
    auth: createAuthApp(auth, silentLog),
    storage: createStorageApp({ store, sessions: auth, access, clock: systemClock, log: silentLog }),
    audit: createAuditApp({ audit, decide, log: silentLog }),
    events: createEventsApp({ bus: events.bus, audit, decide, clock: systemClock, log: silentLog }),
  };
  s3 = createS3({ keyring: auth, access, region: REGION, clock: systemClock, log: silentLog, store });
  await auth.ensureAdmin({ name: "root", password: PASSWORD });
});

afterAll(async () => {
  for (const close of closings) await close();
  await bench.stop();
  await others.remove();
  await restarted?.stop();
});

async function statusOf(api: Api, bearer: string): Promise<number> {
  const headers = { authorization: `Bearer ${bearer}` };
  const request = new Request(`https://${HOST}${READS[api]}`, { headers });
  const response = await apps[api].fetch(request, { source: "192.0.2.1" });
  await response.body?.cancel();
  return response.status;
}

async function s3Status(key: Credentials): Promise<number> {
  const signed = signRequest({ method: "GET", host: HOST, rawPath: "/" }, key, REGION, systemClock.now());
  const headers = new Map(Object.entries(signed));
  const request = {
    method: "GET",
    target: "/",
    headers,
    remoteAddress: "192.0.2.1",
    requestId: "r",
    body: null,
  };
  return (await s3(request)).status;
}

const passTheBound = () => {
  clock.aheadMs += STALE_MS + 1_000;
};

test.each(APIS)("%s lets an ended session pass for the bound and not once more", async (api) => {
  const token = await tokenOf(auth, "root");
  expect(await statusOf(api, token)).toBe(200);
  // Nobody is told of it.
  await sql`DELETE FROM sessions WHERE id = ${(await auth.session(token))!.id}`;
  expect(await statusOf(api, token)).toBe(200);
  passTheBound();
  expect(await statusOf(api, token)).toBe(401);
});

test.each(APIS)("%s lets a revoked API token pass for the bound and not once more", async (api) => {
  const { id, token } = await auth.apiTokens.create({ user: "root" }, { name: "t", scopes: EVERYTHING });
  expect(await statusOf(api, token)).toBe(200);
  await sql`DELETE FROM api_tokens WHERE id = ${id}`;
  expect(await statusOf(api, token)).toBe(200);
  passTheBound();
  expect(await statusOf(api, token)).toBe(401);
});

test("S3 lets a revoked key pass for the bound and not once more", async () => {
  const key = await auth.createKey("root");
  expect(await s3Status(key)).toBe(200);
  await sql`DELETE FROM access_keys WHERE access_key_id = ${key.accessKeyId}`;
  expect(await s3Status(key)).toBe(200);
  passTheBound();
  expect(await s3Status(key)).toBe(403);
});

test("without the database all go on for the bound, then refuse, and come back with it", async () => {
  const [token, key] = [await tokenOf(auth, "root"), await auth.createKey("root")];
  const statuses = async () => [
    ...(await Promise.all(APIS.map((api) => statusOf(api, token)))),
    await s3Status(key),
  ];
  const all = (status: number) => [...APIS.map(() => status), status];
  expect(await statuses()).toEqual(all(200));
  await bench.server.stop();
  expect(await statuses()).toEqual(all(200));
  passTheBound();
  expect(await statuses()).toEqual(all(503));
  restarted = await startEmbeddedPostgres({ directory: bench.server.directory, log: silentLog });
  while (auth.access.freshened() !== undefined) await delay(systemClock, 10);
  expect(await statuses()).toEqual(all(200));
});
