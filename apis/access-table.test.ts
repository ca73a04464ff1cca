// Every route of every API and every S3 operation, asked by everybody who may come: who gets through is written down
// here, and what is not written down fails.
import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { createHash } from "node:crypto";
import type { Hono } from "hono";
import { findTargetHandler } from "hono/utils/handler";
import { z } from "zod";
import { RemoteError } from "../chunkd/protocol/errors.ts";
import { delay, systemClock } from "../std/clock.ts";
import type { Database } from "../std/db/database.ts";
import { silentLog } from "../std/log.ts";
import { AUTH_TEXT } from "./auth/api-text.ts";
import { createAuthApp } from "./auth/app.ts";
import type { AuthService } from "./auth/service.ts";
import { AuthBench, PASSWORD, tokenOf } from "./auth/test-auth.ts";
import type { RouteText, RouteTexts } from "./openapi/route-text.ts";
import { STORAGE_TEXT } from "./storage/api-text.ts";
import { createStorageApp } from "./storage/app.ts";
import { ObjectStore } from "./storage/objects.ts";
import { signRequest } from "./storage/s3/auth/sign.ts";
import { createS3 } from "./storage/s3/handler.ts";
import type { S3Handler } from "./storage/s3/http.ts";
import { OPERATIONS } from "./storage/s3/operations.ts";
import { MemoryChunks, MemoryMaster } from "./storage/testing/memory-engine.ts";
import { REGION } from "./storage/testing/s3-double.ts";

// A real PostgreSQL on a loaded machine.
setDefaultTimeout(120_000);

/** Nobody of these proves anything. */
const UNPROVED = ["anonymous", "expired", "revoked", "disabled"] as const;
/** The letters of the table: o, r, n, m, b, w, a. */
const PROVED = {
  o: "other", // another member
  r: "readOnly",
  n: "narrow", // the owner's API token that may read one bucket
  m: "minted", // one that may do all, made through one that may read that bucket and make tokens
  b: "bounded", // an administrator with a boundary that lets nothing through
  w: "owner",
  a: "admin",
} as const;
type Caller = (typeof UNPROVED)[number] | (typeof PROVED)[keyof typeof PROVED];
const CALLERS: Caller[] = [...UNPROVED, ...Object.values(PROVED)];
const SESSIONS = { other: "bob", readOnly: "reader", owner: "alice", admin: "root", bounded: "eve" } as const;

const ONE_BUCKET = { "storage.alice.bucket.alices": ["read"] };
const EVERYTHING = {
  "storage.*.*": ["create", "read", "update", "delete", "grant"],
  "auth.*.*": ["create", "read", "update", "delete", "grant"],
};

let bench: AuthBench;
let auth: AuthService;
let sql: Database;
let authApp: ReturnType<typeof createAuthApp>;
let storageApp: ReturnType<typeof createStorageApp>;
let s3: S3Handler;
let store: ObjectStore;
const bearers = new Map<Caller, string>();
const keys = new Map<Caller, { accessKeyId: string; secretAccessKey: string }>();
const aliceId = () => auth.principalNamed("alice").userId;

beforeAll(async () => {
  bench = await AuthBench.start();
  ({ auth, sql } = await bench.open());
  authApp = createAuthApp(auth, silentLog);
  const master = new MemoryMaster();
  // What the double lacks is refused by a code that is not about permissions.
  for (const name of ["status", "deleteObjects"] as const) {
    master.errors.set(name, new RemoteError("BAD_REQUEST", "not in memory"));
  }
  const chunks = new MemoryChunks();
  store = new ObjectStore({ master: master.client, writer: chunks, reader: chunks, clock: systemClock });
  storageApp = createStorageApp({
    store,
    sessions: auth,
    access: auth.access,
    clock: systemClock,
    log: silentLog,
  });
  s3 = createS3({
    keyring: auth,
    access: auth.access,
    region: REGION,
    clock: systemClock,
    log: silentLog,
    store,
  });
  await auth.ensureAdmin({ name: "root", password: PASSWORD });
  for (const name of ["alice", "bob", "reader", "dave", "eve"])
    await auth.createUser({ name, password: PASSWORD });
  await auth.attachments.attach({ kind: "user", name: "reader" }, "read-only");
  await auth.attachments.detach({ kind: "user", name: "reader" }, "member");
  for (const name of ["dave", "eve"]) await auth.attachments.attach({ kind: "user", name }, "admin");
  await auth.roles.create("nothing", {
    Version: "2012-10-17",
    Statement: { Effect: "Allow", Action: "s3:GetObject", Resource: "arn:aws:s3:::nowhere/*" },
  });
  await auth.attachments.setBoundary({ kind: "user", name: "eve" }, "nothing");
  await signIn();
  const alice = { user: "alice" };
  const tokenFor = async (scopes: object, parent?: string) =>
    auth.apiTokens.create(alice, { name: "t", scopes }, parent);
  const parent = await tokenFor({
    ...ONE_BUCKET,
    "auth.alice.token": ["create"],
    "auth.alice.access-key": ["create"],
  });
  const wide = await call("POST", "/tokens", { name: "wide", scopes: EVERYTHING }, parent.token);
  const over = await auth.apiTokens.create({ user: "root" }, { name: "over", scopes: EVERYTHING });
  bearers.set("narrow", (await tokenFor(ONE_BUCKET)).token);
  bearers.set("minted", ((await wide.json()) as { token: string }).token);
  bearers.set("expired", over.token);
  bearers.set("disabled", await tokenOf(auth, "dave"));
  bearers.set("revoked", await tokenOf(auth, "root"));
  for (const [caller, name] of Object.entries(SESSIONS))
    keys.set(caller as Caller, await auth.createKey(name));
  keys.set("narrow", await auth.createKey("alice", { scopes: ONE_BUCKET }));
  keys.set("minted", await auth.createKey("alice", { tokenId: parent.id, scopes: EVERYTHING }));
  keys.set("expired", await auth.createKey("root", { tokenId: over.id }));
  keys.set("disabled", await auth.createKey("dave"));
  const ended = await auth.apiTokens.create({ user: "root" }, { name: "ended", scopes: EVERYTHING });
  keys.set("revoked", await auth.createKey("root", { tokenId: ended.id }));

  await auth.apiTokens.revoke(ended.id);
  await auth.signOut((await auth.session(bearers.get("revoked")!))!);
  await auth.updateUser("dave", { disabled: true });
  await sql`UPDATE api_tokens SET expires = now() - interval '1 second' WHERE id = ${over.id}`;
  await sql`SELECT pg_notify('auth_changes', ${`another token:${over.id}`})`;
  while (await auth.verify(over.token)) await delay(systemClock, 5);
  await store.master.createBucket({ name: "alices", owner: aliceId() });
  await fill();
});

afterAll(() => bench.stop());

async function signIn() {
  for (const [caller, name] of Object.entries(SESSIONS))
    bearers.set(caller as Caller, await tokenOf(auth, name));
}

async function fill() {
  const headers = { authorization: `Bearer ${bearers.get("owner")}`, "content-length": "1" };
  const { status } = await storageApp.request("/buckets/alices/objects/key", {
    method: "PUT",
    headers,
    body: "x",
  });
  expect(status).toBe(200);
}

function requestOf(method: string, path: string, body: unknown, bearer: string | undefined): Request {
  const headers = new Headers();
  if (bearer !== undefined) headers.set("authorization", `Bearer ${bearer}`);
  if (body !== undefined) headers.set("content-type", "application/json");
  const text = body === undefined ? undefined : typeof body === "string" ? body : JSON.stringify(body);
  if (text !== undefined) headers.set("content-length", String(Buffer.byteLength(text)));
  return new Request(`https://cloud.test${path}`, { method, headers, body: text });
}

async function call(method: string, path: string, body?: unknown, bearer?: string): Promise<Response> {
  return authApp.fetch(requestOf(method, path, body, bearer), { source: "192.0.2.1" });
}

type Outcome = "unproved" | "denied" | "allowed";

/** Allowed: it got as far as the thing itself, whatever came of that. `hidden`: one may not see that it is there. */
async function outcomeOf(response: Response, hidden: boolean): Promise<Outcome> {
  const { status } = response;
  const answer = (await response.json().catch(() => undefined)) as { error?: { code?: string } } | undefined;
  const code = answer?.error?.code;
  if (status === 401 && ["unauthenticated", "Unauthorized"].includes(code ?? "")) return "unproved";
  if (code === "forbidden" || code === "AccessDenied" || (hidden && status === 404)) return "denied";
  expect([status, code, status < 500 && status !== 401 && status !== 403]).toEqual([status, code, true]);
  return "allowed";
}

function expected(allowed: string): Record<Caller, Outcome> {
  const outcomes: Partial<Record<Caller, Outcome>> = {};
  for (const caller of UNPROVED) outcomes[caller] = "unproved";
  for (const [letter, caller] of Object.entries(PROVED)) {
    outcomes[caller] = allowed.includes(letter) ? "allowed" : "denied";
  }
  return outcomes as Record<Caller, Outcome>;
}

interface Row {
  /** Letters of {@link PROVED}. */
  allowed: string;
  path?: string | (() => Promise<string>);
  body?: unknown;
  hidden?: true;
  /** It ends sessions of the callers. */
  endsSessions?: true;
}

const keyPath = async () => `/keys/${(await auth.createKey("alice")).accessKeyId}`;
const sessionPath = async () => `/sessions/${(await auth.session(await tokenOf(auth, "alice")))!.id}`;
const tokenPath = async () =>
  `/tokens/${(await auth.apiTokens.create({ user: "alice" }, { name: "t", scopes: ONE_BUCKET })).id}`;
let serial = 0;
const accountPath =
  (rest = "") =>
  async () => {
    const { name } = await auth.serviceAccounts.create({ name: `robot${++serial}`, owner: "alice" });
    return `/service-accounts/${name}${rest}`;
  };
const READ_ROLE = { name: "!", document: {} };

const AUTH_ROUTES: Record<string, Row> = {
  "GET /session": { allowed: "orwa" },
  // Whoever holds a session may end it, whatever else they may not.
  "DELETE /session": { allowed: "orbwa", endsSessions: true },
  "GET /sessions": { allowed: "rwa", path: "/sessions?user=alice" },
  "DELETE /sessions": { allowed: "wa", path: "/sessions?user=alice", endsSessions: true },
  "DELETE /sessions/:id": { allowed: "wa", path: sessionPath, hidden: true },
  "POST /tickets": { allowed: "orwa", body: { path: "/api/logs" } },
  "GET /settings": { allowed: "ra" },
  "PUT /settings": { allowed: "a", body: { signUp: false } },
  "GET /users": { allowed: "ra" },
  "POST /users": { allowed: "a", body: { name: "no name", password: PASSWORD, admin: true } },
  "GET /users/:name": { allowed: "rwa", path: "/users/alice" },
  "PATCH /users/:name": { allowed: "a", path: "/users/alice", body: { disabled: false } },
  "DELETE /users/:name": { allowed: "a", path: "/users/nobody" },
  "PUT /users/:name/password": { allowed: "wa", path: "/users/alice/password", body: { password: "short" } },
  "POST /users/:name/password-reset": { allowed: "a", path: "/users/alice/password-reset" },
  "GET /keys": { allowed: "rwa", path: "/keys?user=alice" },
  "POST /keys": { allowed: "mwa", body: { user: "alice" } },
  "POST /keys/import": {
    allowed: "mwa",
    body: { user: "alice", accessKeyId: "x", secretAccessKey: "y" },
  },
  "PATCH /keys/:id": { allowed: "wa", path: keyPath, body: { disabled: true }, hidden: true },
  "DELETE /keys/:id": { allowed: "wa", path: keyPath, hidden: true },
  "GET /groups": { allowed: "ra" },
  "POST /groups": { allowed: "a", body: { name: "!" } },
  "GET /groups/:name": { allowed: "ra", path: "/groups/none" },
  "PATCH /groups/:name": { allowed: "a", path: "/groups/none", body: { name: "other" } },
  "DELETE /groups/:name": { allowed: "a", path: "/groups/none" },
  "PUT /groups/:name/members/:user": { allowed: "a", path: "/groups/none/members/alice" },
  "DELETE /groups/:name/members/:user": { allowed: "a", path: "/groups/none/members/alice" },
  "GET /roles": { allowed: "ra" },
  "POST /roles": { allowed: "a", body: READ_ROLE },
  "GET /roles/:name": { allowed: "ra", path: "/roles/member" },
  "PUT /roles/:name": { allowed: "a", path: "/roles/member", body: { document: {} } },
  "DELETE /roles/:name": { allowed: "a", path: "/roles/member" },
  "PUT /users/:name/roles/:role": { allowed: "a", path: "/users/alice/roles/none" },
  "DELETE /users/:name/roles/:role": { allowed: "a", path: "/users/alice/roles/none" },
  "PUT /groups/:name/roles/:role": { allowed: "a", path: "/groups/none/roles/member" },
  "DELETE /groups/:name/roles/:role": { allowed: "a", path: "/groups/none/roles/member" },
  "PUT /service-accounts/:name/roles/:role": { allowed: "wa", path: accountPath("/roles/member") },
  "DELETE /service-accounts/:name/roles/:role": { allowed: "wa", path: accountPath("/roles/member") },
  "PUT /users/:name/boundary": { allowed: "a", path: "/users/alice/boundary", body: { role: "none" } },
  "DELETE /users/:name/boundary": { allowed: "a", path: "/users/alice/boundary" },
  "PUT /service-accounts/:name/boundary": {
    allowed: "wa",
    path: accountPath("/boundary"),
    body: { role: "member" },
  },
  "DELETE /service-accounts/:name/boundary": { allowed: "wa", path: accountPath("/boundary") },
  "GET /tokens": { allowed: "rwa", path: "/tokens?user=alice" },
  "POST /tokens": { allowed: "mwa", body: { user: "alice", name: "t", scopes: ONE_BUCKET } },
  "DELETE /tokens/:id": { allowed: "wa", path: tokenPath, hidden: true },
  "GET /service-accounts": { allowed: "rwa", path: "/service-accounts?user=alice" },
  "POST /service-accounts": { allowed: "wa", body: { name: "!", owner: "alice" } },
  "GET /service-accounts/:name": { allowed: "rwa", path: accountPath() },
  "PATCH /service-accounts/:name": { allowed: "wa", path: accountPath(), body: { disabled: true } },
  "DELETE /service-accounts/:name": { allowed: "wa", path: accountPath() },
  "GET /explain": {
    allowed: "rwa",
    path: "/explain?user=alice&action=s3:GetObject&resource=arn:aws:s3:::alices/key",
  },
  "GET /passkeys": { allowed: "orwa" },
  "POST /passkeys/registration": { allowed: "orwa" },
  "POST /passkeys": { allowed: "orwa", body: {} },
  "PATCH /passkeys/:id": { allowed: "orwa", path: "/passkeys/none", body: { name: "x" } },
  "DELETE /passkeys/:id": { allowed: "orwa", path: "/passkeys/none" },
  "DELETE /users/:name/passkeys": { allowed: "wa", path: "/users/alice/passkeys" },
  "GET /openid/providers": { allowed: "ra" },
  "PUT /openid/providers/:id": { allowed: "a", path: "/openid/providers/none", body: {} },
  "DELETE /openid/providers/:id": { allowed: "a", path: "/openid/providers/none" },
  "POST /openid/:id/link": { allowed: "orwa", path: "/openid/none/link" },
  "GET /identities": { allowed: "orwa" },
  "DELETE /identities/:id": { allowed: "orwa", path: "/identities/none" },
};

/** They prove who one is, or tell what everybody may know. */
const OPEN = [
  "GET /openapi.json",
  "GET /.well-known/jwks.json",
  "POST /session",
  "POST /session/refresh",
  "POST /session/passkey/options",
  "POST /session/passkey",
  "POST /session/second-factor",
  "POST /sign-up",
  "POST /password-reset",
  "GET /sign-in-methods",
  "GET /openid/:id/start",
  "GET /openid/:id/callback",
];

const OBJECT = "/buckets/alices/objects/key";
const OBJECT_ROUTE = "/buckets/:bucket/objects/:key{[\\s\\S]+}";
const STORAGE_ROUTES: Record<string, Row> = {
  "GET /buckets": { allowed: "orwa" },
  "POST /buckets": { allowed: "owa", body: { name: "alices" } },
  "DELETE /buckets/:bucket": { allowed: "wa", path: "/buckets/alices" },
  "GET /buckets/:bucket/objects": { allowed: "rnmwa", path: "/buckets/alices/objects" },
  [`PUT ${OBJECT_ROUTE}`]: { allowed: "wa", path: OBJECT, body: "x" },
  [`GET ${OBJECT_ROUTE}`]: { allowed: "rnmwa", path: OBJECT },
  [`DELETE ${OBJECT_ROUTE}`]: { allowed: "wa", path: "/buckets/alices/objects/none" },
  "GET /status": { allowed: "ra" },
};

const STORAGE_OPEN = ["GET /healthz", "GET /openapi.json"];

/** The routes of an app, and those among them that declare an action. */
function routesOf(app: Pick<Hono, "routes">): { all: string[]; declared: string[] } {
  const routes = app.routes.filter(({ method }) => method !== "ALL");
  const names = (list: typeof routes) =>
    [...new Set(list.map(({ method, path }) => `${method} ${path}`))].sort();
  return {
    all: names(routes),
    declared: names(routes.filter(({ handler }) => "action" in findTargetHandler(handler))),
  };
}

test("S11: every route is in the table, and all but the open ones declare an action", () => {
  const ofAuth = routesOf(authApp as unknown as Hono);
  expect(ofAuth.all).toEqual([...Object.keys(AUTH_ROUTES), ...OPEN].sort());
  expect(ofAuth.declared).toEqual(Object.keys(AUTH_ROUTES).sort());
  const ofStorage = routesOf(storageApp as unknown as Hono);
  expect(ofStorage.all).toEqual([...Object.keys(STORAGE_ROUTES), ...STORAGE_OPEN].sort());
  expect(ofStorage.declared).toEqual(Object.keys(STORAGE_ROUTES).sort());
});

const APPS = [
  ["auth", AUTH_ROUTES, AUTH_TEXT],
  ["storage", STORAGE_ROUTES, STORAGE_TEXT],
] as const;

test("the documents of the APIs are open to anybody", async () => {
  for (const app of [authApp, storageApp]) {
    const response = await app.request("/openapi.json");
    expect([response.status, (await response.json()).openapi]).toEqual([200, "3.1.1"]);
  }
});

const ERROR = z.strictObject({ error: z.strictObject({ code: z.string(), message: z.string() }) });

/** What is answered is what the API's document says of the route. */
async function expectDocumented(text: RouteText, response: Response): Promise<void> {
  const { status } = response;
  const said = status < 400 ? text.answers[status] : ERROR;
  expect([status, said !== undefined]).toEqual([status, true]);
  if (said === null) expect(await response.text()).toBe("");
  else if (said instanceof z.ZodType) expect(said.safeParse(await response.json()).error).toBeUndefined();
}

for (const [api, table, text] of APPS) {
  for (const [route, row] of Object.entries(table)) {
    test(`S11: ${api}: ${route} is for ${row.allowed}`, async () => {
      const outcomes: Partial<Record<Caller, Outcome>> = {};
      for (const caller of CALLERS) {
        const [method = "", plain = ""] = route.split(" ");
        const path = typeof row.path === "function" ? await row.path() : (row.path ?? plain);
        const request = requestOf(method, path, row.body, bearers.get(caller));
        const response =
          api === "auth"
            ? await authApp.fetch(request, { source: "192.0.2.1" })
            : await storageApp.request(request);
        await expectDocumented((text.routes as RouteTexts)[route]!, response.clone());
        outcomes[caller] = await outcomeOf(response, row.hidden ?? false);
        if (row.endsSessions) await signIn();
      }
      expect(outcomes).toEqual(expected(row.allowed));
    });
  }
}

const READS = "rnmwa";
const WRITES = "wa";
const S3_OPERATIONS: Record<string, string> = {
  ListBuckets: "orwa",
  CreateBucket: "owa",
  DeleteBucket: WRITES,
  DeleteObjects: WRITES,
  UploadPartCopy: WRITES,
  UploadPart: WRITES,
  CopyObject: WRITES,
  PutObject: WRITES,
  CreateMultipartUpload: WRITES,
  CompleteMultipartUpload: WRITES,
  AbortMultipartUpload: WRITES,
  DeleteObject: WRITES,
  HeadBucket: READS,
  GetBucketLocation: READS,
  ListObjectsV2: READS,
  ListObjectVersions: READS,
  ListMultipartUploads: READS,
  GetBucketVersioning: READS,
  GetBucketAcl: READS,
  GetBucketPolicy: READS,
  GetBucketPolicyStatus: READS,
  GetBucketLifecycleConfiguration: READS,
  GetBucketCors: READS,
  GetBucketTagging: READS,
  GetBucketEncryption: READS,
  GetObjectLockConfiguration: READS,
  GetPublicAccessBlock: READS,
  GetBucketReplication: READS,
  GetBucketWebsite: READS,
  GetBucketOwnershipControls: READS,
  GetBucketRequestPayment: READS,
  GetBucketLogging: READS,
  GetBucketNotificationConfiguration: READS,
  GetBucketAccelerateConfiguration: READS,
  ListObjects: READS,
  ListParts: READS,
  GetObjectAcl: READS,
  GetObjectTagging: READS,
  GetObjectAttributes: READS,
  GetObjectRetention: READS,
  GetObjectLegalHold: READS,
  GetObject: READS,
  HeadObject: READS,
};

test("S11: every S3 operation is in the table", () => {
  expect(OPERATIONS.map(({ name }) => name).sort()).toEqual(Object.keys(S3_OPERATIONS).sort());
});

const DELETION = "<Delete><Object><Key>none</Key></Object></Delete>";

async function s3Outcome(caller: Caller, operation: (typeof OPERATIONS)[number]): Promise<Outcome> {
  const { method, level, markers, header, name } = operation;
  const rawPath =
    level === "service"
      ? "/"
      : level === "bucket"
        ? "/alices"
        : name === "DeleteObject"
          ? "/alices/none"
          : "/alices/key";
  const query = markers.map((marker) => `${marker}=1`).join("&") || undefined;
  const body = name === "DeleteObjects" ? Buffer.from(DELETION) : undefined;
  const headers: Record<string, string> = {
    ...(body && {
      "content-length": String(body.length),
      "content-md5": createHash("md5").update(body).digest("base64"),
    }),
  };
  if (header !== undefined) headers[header] = "/alices/key";
  const key = keys.get(caller);
  const host = "s3.test";
  const signed = key
    ? signRequest({ method, host, rawPath, query, headers }, key, REGION, Date.now())
    : headers;
  const { status, body: answer } = await s3({
    method,
    target: query === undefined ? rawPath : `${rawPath}?${query}`,
    headers: new Map(Object.entries(signed)),
    body: body ? once(body) : null,
    remoteAddress: "192.0.2.1",
    requestId: "1",
  });
  const code = /<Code>(\w+)</.exec(typeof answer === "string" ? answer : "")?.[1];
  if (code === "InvalidAccessKeyId" || (caller === "anonymous" && status === 403)) return "unproved";
  if (method === "HEAD" && status === 403)
    return keys.has(caller) && auth.find(key!.accessKeyId) ? "denied" : "unproved";
  if (code === "AccessDenied") return "denied";
  expect([name, status]).not.toEqual([name, 503]);
  return "allowed";
}

async function* once(bytes: Uint8Array) {
  yield bytes;
}

for (const operation of OPERATIONS) {
  const allowed = S3_OPERATIONS[operation.name] ?? "";
  test(`S11: S3: ${operation.name} is for ${allowed}`, async () => {
    const outcomes: Partial<Record<Caller, Outcome>> = {};
    for (const caller of CALLERS) {
      outcomes[caller] = await s3Outcome(caller, operation);
      if (operation.name === "DeleteBucket" || operation.name === "PutObject") await fill();
    }
    const wanted = expected(allowed);
    // The key of a token that is over speaks for somebody, who may do nothing.
    expect(outcomes).toEqual({ ...wanted, expired: "denied" });
  });
}
