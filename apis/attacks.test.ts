// Attacks that cross from one API to another, on the real services and a real PostgreSQL: S... as in docs/security.md, E...
// the holes of a comparable cloud there.
import { afterAll, beforeAll, beforeEach, expect, setDefaultTimeout, test } from "bun:test";
import { RemoteError } from "../chunkd/protocol/errors.ts";
import { systemClock } from "../std/clock.ts";
import type { Database } from "../std/db/database.ts";
import { jsonLog } from "../std/log.ts";
import { createAuditApp } from "./audit/app.ts";
import { type AuditService, createAudit } from "./audit/service.ts";
import { decideByAuth } from "./audit-access.ts";
import { createAuthApp } from "./auth/app.ts";
import type { AuthService } from "./auth/service.ts";
import { AuthBench, PASSWORD, signedIn, tokenOf } from "./auth/test-auth.ts";
import type { Origin } from "./gateway-trust.ts";
import { createStorageApp } from "./storage/app.ts";
import { ObjectStore } from "./storage/objects.ts";
import { RecentReader } from "./storage/recent-reader.ts";
import { type Credentials, signRequest } from "./storage/s3/auth/sign.ts";
import { createS3 } from "./storage/s3/handler.ts";
import type { S3Handler } from "./storage/s3/http.ts";
import { MemoryChunks, MemoryMaster } from "./storage/testing/memory-engine.ts";
import { REGION } from "./storage/testing/s3-double.ts";

setDefaultTimeout(120_000);

const NEAR = "192.0.2.7";
const FAR = "198.51.100.1";
const HOST = "cloud.test";
const EVERYTHING = {
  "storage.*.*": ["create", "read", "update", "delete", "grant"],
  "auth.*.*": ["create", "read", "update", "delete", "grant"],
};
const TEXT = "for alice alone";

type App = { fetch(request: Request, origin: Partial<Origin>): Response | Promise<Response> };

let bench: AuthBench;
let auth: AuthService;
let sql: Database;
let audit: AuditService;
let apps: Record<"auth" | "storage" | "audit", App>;
let s3: S3Handler;
let master: MemoryMaster;
const lines: string[] = [];
const log = jsonLog((line) => lines.push(line), "debug");

beforeAll(async () => {
  bench = await AuthBench.start();
  ({ auth, sql } = await bench.open("attacked", { log }));
  audit = await createAudit({
    sql: await bench.connect("audit"),
    clusterSecret: "a secret",
    clock: systemClock,
    log,
  });
  const chunks = new MemoryChunks();
  master = new MemoryMaster();
  const store = new ObjectStore({
    master: master.client,
    writer: chunks,
    reader: new RecentReader(chunks),
    clock: systemClock,
  });
  const { access } = auth;
  apps = {
    auth: createAuthApp(auth, log, { audit }),
    storage: createStorageApp({ store, sessions: auth, access, audit, clock: systemClock, log }),
    audit: createAuditApp({ audit, decide: decideByAuth(auth), log }),
  };
  s3 = createS3({ keyring: auth, access, region: REGION, clock: systemClock, log, store, audit });
  await auth.ensureAdmin({ name: "root", password: PASSWORD });
  for (const name of ["alice", "bob"]) await auth.createUser({ name, password: PASSWORD });
  await master.client.createBucket({ name: "alices", owner: auth.principalNamed("alice").userId });
  await master.client.createBucket({ name: "bobs", owner: auth.principalNamed("bob").userId });
});

beforeEach(async () => {
  master.errors.clear();
  const bearer = await tokenOf(auth, "alice");
  const { status } = await send("storage", "PUT", "/buckets/alices/objects/key", { bearer, body: TEXT });
  expect(status).toBe(200);
});

afterAll(async () => {
  await audit.close();
  await bench.stop();
});

interface Sent {
  bearer?: string;
  headers?: Record<string, string>;
  /** Sent as JSON unless it is text. */
  body?: object | string;
  source?: string;
  overTls?: boolean;
}

async function send(api: keyof typeof apps, method: string, path: string, sent: Sent = {}) {
  const text = typeof sent.body === "object" ? JSON.stringify(sent.body) : sent.body;
  const headers = new Headers(sent.headers);
  if (sent.bearer !== undefined) headers.set("authorization", `Bearer ${sent.bearer}`);
  if (typeof sent.body === "object") headers.set("content-type", "application/json");
  if (text !== undefined) headers.set("content-length", String(Buffer.byteLength(text)));
  const request = new Request(`https://${HOST}${path}`, { method, headers, body: text });
  const { source = FAR, overTls = true } = sent;
  const response = await apps[api].fetch(request, { source, overTls });
  return { status: response.status, headers: response.headers, text: await response.text() };
}

interface SentToS3 {
  overTls?: boolean;
  query?: string;
  headers?: Record<string, string>;
  body?: string;
  source?: string;
}

async function sendS3(method: string, rawPath: string, key: Credentials | undefined, sent: SentToS3 = {}) {
  const { query, body, source = FAR, overTls } = sent;
  const headers = { ...sent.headers, ...(body && { "content-length": String(Buffer.byteLength(body)) }) };
  const signed = key
    ? signRequest({ method, host: HOST, rawPath, query, headers }, key, REGION, Date.now())
    : { host: HOST, ...headers };
  const answer = await s3({
    method,
    target: query === undefined ? rawPath : `${rawPath}?${query}`,
    headers: new Map(Object.entries(signed)),
    body: body === undefined ? null : once(body),
    remoteAddress: source,
    overTls,
    requestId: "1",
  });
  const pieces: Uint8Array[] = [];
  if (typeof answer.body === "string" || answer.body instanceof Uint8Array)
    pieces.push(Buffer.from(answer.body));
  else if (answer.body !== null) for await (const piece of answer.body) pieces.push(piece);
  return { status: answer.status, headers: answer.headers, text: Buffer.concat(pieces).toString() };
}

async function* once(text: string) {
  yield Buffer.from(text);
}

async function keptText(): Promise<string> {
  const bearer = await tokenOf(auth, "alice");
  return (await send("storage", "GET", "/buckets/alices/objects/key", { bearer })).text;
}

test("E01: whoever is signed in can neither read, list, write, overwrite nor delete what another has", async () => {
  const bearer = await tokenOf(auth, "bob");
  const key = await auth.createKey("bob");
  const object = "/buckets/alices/objects/key";
  const answers = [
    await send("storage", "GET", object, { bearer }),
    await send("storage", "GET", "/buckets/alices/objects", { bearer }),
    await send("storage", "PUT", object, { bearer, body: "mine now" }),
    await send("storage", "PUT", "/buckets/alices/objects/new", { bearer, body: "mine" }),
    await send("storage", "DELETE", object, { bearer }),
    await send("storage", "DELETE", "/buckets/alices", { bearer }),
    await sendS3("GET", "/alices/key", key),
    await sendS3("HEAD", "/alices/key", key),
    await sendS3("GET", "/alices", key, { query: "list-type=2" }),
    await sendS3("PUT", "/alices/key", key, { body: "mine now" }),
    await sendS3("PUT", "/alices/new", key, { body: "mine" }),
    await sendS3("DELETE", "/alices/key", key),
    await sendS3("PUT", "/bobs/copy", key, { headers: { "x-amz-copy-source": "/alices/key" } }),
    await sendS3("PUT", "/alices/key", key, { headers: { "x-amz-copy-source": "/bobs/anything" } }),
    await sendS3("POST", "/alices/key", key, { query: "uploads" }),
  ];
  expect(answers.map(({ status }) => status)).toEqual(answers.map(() => 403));
  expect(await keptText()).toBe(TEXT);
  const { objects } = await master.client.listObjects({ bucket: "alices", max: 10 });
  expect(objects.map((each) => each.key)).toEqual(["key"]);
});

test("E02: a token for one's own things, or one whose scopes name another's, opens nothing of another's", async () => {
  const scopes = [
    { "storage.bob.*": ["create", "read", "update", "delete"] },
    { "storage.bob.bucket.alices": ["create", "read", "update", "delete"] },
    { "storage.alice.*": ["create", "read", "update", "delete"] },
    EVERYTHING,
  ];
  for (const each of scopes) {
    const { token: bearer, id } = await auth.apiTokens.create({ user: "bob" }, { name: "t", scopes: each });
    const key = await auth.createKey("bob", { tokenId: id });
    const answers = [
      await send("storage", "GET", "/buckets/alices/objects/key", { bearer }),
      await send("storage", "GET", "/buckets/alices/objects", { bearer }),
      await send("storage", "PUT", "/buckets/alices/objects/key", { bearer, body: "mine" }),
      await sendS3("GET", "/alices/key", key),
      await sendS3("PUT", "/alices/key", key, { body: "mine" }),
    ];
    expect([each, answers.map(({ status }) => status)]).toEqual([each, [403, 403, 403, 403, 403]]);
  }
  expect(await keptText()).toBe(TEXT);
});

test("E03: what cannot be looked up is not public, and neither is what is not there", async () => {
  const key = await auth.createKey("bob");
  const bearer = await tokenOf(auth, "bob");
  const ask = async (bucket: string) => [
    await send("storage", "GET", `/buckets/${bucket}/objects/key`, { bearer }),
    await sendS3("GET", `/${bucket}/key`, key),
    await sendS3("GET", `/${bucket}/key`, undefined),
  ];
  expect((await ask("nowhere")).map(({ status }) => status)).toEqual([404, 404, 403]);
  const owner = auth.principalNamed("alice").userId;
  for (const error of [new RemoteError("TIMEOUT", "late"), new RemoteError("NOT_READY", "starting")]) {
    // One whose owner nobody has asked for yet.
    const bucket = `unseen-${error.code.toLowerCase().replace("_", "-")}`;
    await master.client.createBucket({ name: bucket, owner });
    master.errors.set("getBucket", error);
    const answers = await ask(bucket);
    master.errors.clear();
    expect(answers.map(({ status }) => status)).toEqual([503, 503, 403]);
    expect(answers.some(({ text }) => text.includes(TEXT))).toBe(false);
  }
});

test("E05, E06: an API token is no session, with its prefix or without, and makes none", async () => {
  const { token } = await auth.apiTokens.create({ user: "alice" }, { name: "wide", scopes: EVERYTHING });
  const bare = token.slice("sk_".length);
  for (const bearer of [bare, `ecloud_${bare}`, `sk_sk_${bare}`, `${token}x`]) {
    expect((await send("auth", "GET", "/session", { bearer })).status).toBe(401);
    expect((await send("storage", "GET", "/buckets", { bearer })).status).toBe(401);
  }
  const cookie = `__Host-skerry_session=${token}`;
  expect((await send("auth", "GET", "/session", { headers: { cookie } })).status).toBe(401);
  const refresh = await send("auth", "POST", "/session/refresh", { body: { refreshToken: token } });
  expect(refresh.status).toBe(401);
  const sessionOnly: [method: string, path: string, body?: object][] = [
    ["POST", "/tickets", { path: "/api/logs" }],
    ["POST", "/passkeys/registration"],
    ["POST", "/openid/none/link"],
    ["GET", "/identities"],
    ["DELETE", "/session"],
  ];
  for (const [method, path, body] of sessionOnly) {
    const { status, text } = await send("auth", method, path, { bearer: token, body });
    expect([path, status >= 400, /"session_required"|"forbidden"/.test(text)]).toEqual([path, true, true]);
  }
  const body = { password: "another long password" };
  const changed = await send("auth", "PUT", "/users/alice/password", { bearer: token, body });
  expect([changed.status, JSON.parse(changed.text).error.code]).toEqual([400, "invalid_request"]);
});

test("E09: a password opens nothing but the sign-in, where the second factor is asked for", async () => {
  const basic = { authorization: `Basic ${Buffer.from(`alice:${PASSWORD}`).toString("base64")}` };
  const answers = [
    await send("auth", "GET", "/session", { headers: basic }),
    await send("auth", "GET", "/keys", { headers: basic }),
    await send("storage", "GET", "/buckets", { headers: basic }),
    await send("audit", "GET", "/entries", { headers: basic }),
  ];
  expect(answers.map(({ status }) => status)).toEqual([401, 401, 401, 401]);
  expect((await sendS3("GET", "/", undefined, { headers: basic })).status).toBeGreaterThanOrEqual(400);
  const asKey = { accessKeyId: "alice", secretAccessKey: PASSWORD };
  expect((await sendS3("GET", "/", asKey)).text).toContain("<Code>InvalidAccessKeyId</Code>");
});

test("E16: what is kept in memory is given to nobody who may not read it, nor once that ended", async () => {
  await auth.createUser({ name: "guest", password: PASSWORD });
  await auth.roles.create("guest-of-alice", {
    Statement: { Effect: "Allow", Action: "s3:GetObject", Resource: "arn:aws:s3:::alices/*" },
  });
  const guest = { kind: "user", name: "guest" } as const;
  const [bearer, key] = [await tokenOf(auth, "guest"), await auth.createKey("guest")];
  const ask = async () => {
    const answers = [
      await send("storage", "GET", "/buckets/alices/objects/key", { bearer }),
      await sendS3("GET", "/alices/key", key),
    ];
    return answers.map(({ status, text }) => [status, text === TEXT]);
  };
  const [open, closed] = [
    [200, true],
    [403, false],
  ];
  expect(await keptText()).toBe(TEXT);
  expect(await ask()).toEqual([closed, closed]);
  await auth.attachments.attach(guest, "guest-of-alice");
  expect(await ask()).toEqual([open, open]);
  await auth.attachments.detach(guest, "guest-of-alice");
  expect(await ask()).toEqual([closed, closed]);
  const mine = { bearer: await tokenOf(auth, "alice") };
  const { headers } = await send("storage", "GET", "/buckets/alices/objects/key", mine);
  expect(headers.get("cache-control")).toBe("private, no-cache");
});

test("E18: a name makes nobody an administrator", async () => {
  for (const name of ["admin", "administrator", "operator", "owner"]) {
    await auth.createUser({ name, password: PASSWORD });
    const bearer = await tokenOf(auth, name);
    const answers = [
      await send("auth", "GET", "/users", { bearer }),
      await send("auth", "PATCH", `/users/${name}`, { bearer, body: { admin: true } }),
      await send("audit", "GET", "/entries", { bearer }),
      await send("storage", "GET", "/status", { bearer }),
    ];
    expect([name, answers.map(({ status }) => status)]).toEqual([name, [403, 403, 403, 403]]);
  }
});

test("S12: an imported key gets no more than whoever imports it has, and says nothing of whose it is", async () => {
  const pair = {
    accessKeyId: "IMPORTED0000000001",
    secretAccessKey: "a-secret-of-forty-characters-about-that",
  };
  const bearer = await tokenOf(auth, "bob");
  for (const more of [
    { userId: "x" },
    { admin: true },
    { parent: null },
    { tokenId: null },
    { limitedBy: "" },
  ]) {
    const { status } = await send("auth", "POST", "/keys/import", { bearer, body: { ...pair, ...more } });
    expect([more, status]).toEqual([more, 400]);
  }
  for (const user of ["alice", "root", "operator"]) {
    const { status } = await send("auth", "POST", "/keys/import", { bearer, body: { ...pair, user } });
    expect([user, status]).toEqual([user, 403]);
  }
  const { token } = await auth.apiTokens.create(
    { user: "alice" },
    {
      name: "narrow",
      scopes: { "storage.alice.bucket.alices": ["read"], "auth.alice.access-key": ["create"] },
    },
  );
  const wide = { ...pair, scopes: EVERYTHING };
  expect((await send("auth", "POST", "/keys/import", { bearer: token, body: wide })).status).toBe(201);
  expect((await sendS3("GET", "/alices/key", pair)).text).toBe(TEXT);
  expect((await sendS3("PUT", "/alices/key", pair, { body: "written" })).status).toBe(403);
  expect((await sendS3("GET", "/", pair)).status).toBe(403);
});

test("S12: a service account by the name of a user is not that user", async () => {
  const own = await auth.createKey("alice");
  await auth.serviceAccounts.create({ name: "alice", owner: null });
  await auth.attachments.attach({ kind: "service-account", name: "alice" }, "member");
  const owner = { serviceAccount: "alice" };
  const { token: bearer, id } = await auth.apiTokens.create(owner, { name: "t", scopes: EVERYTHING });
  const key = await auth.createKey(owner);
  const keys = await send("auth", "GET", "/keys", { bearer });
  expect([keys.status, keys.text.includes(key.accessKeyId)]).toEqual([200, true]);
  expect(keys.text).not.toContain(own.accessKeyId);
  const tokens = JSON.parse((await send("auth", "GET", "/tokens", { bearer })).text);
  expect(tokens.tokens.map((each: { id: string }) => each.id)).toEqual([id]);
  const made = await send("auth", "POST", "/service-accounts", { bearer, body: { name: "hers" } });
  expect([made.status, JSON.parse(made.text).error?.code]).toEqual([400, "invalid_request"]);
  const refused: [method: string, path: string, body?: object][] = [
    ["GET", "/keys?user=alice"],
    ["GET", "/tokens?user=alice"],
    ["GET", "/sessions?user=alice"],
    ["DELETE", "/sessions?user=alice"],
    ["POST", "/keys", { user: "alice" }],
    ["POST", "/tokens", { user: "alice", name: "t", scopes: EVERYTHING }],
    ["POST", "/service-accounts", { name: "hers", owner: "alice" }],
    ["PUT", "/users/alice/password", { password: "another long password" }],
    ["DELETE", "/users/alice/passkeys"],
    ["GET", "/users/alice"],
    ["GET", "/explain?user=alice&action=s3:GetObject&resource=arn:aws:s3:::alices/key"],
  ];
  for (const [method, path, body] of refused) {
    expect([method, path, (await send("auth", method, path, { bearer, body })).status]).toEqual([
      method,
      path,
      403,
    ]);
  }
  expect((await send("storage", "GET", "/buckets/alices/objects/key", { bearer })).status).toBe(403);
  expect((await sendS3("GET", "/alices/key", key)).status).toBe(403);
  // Nor is the user meant to be the service account, where that may do something about the user.
  await auth.attachments.attach({ kind: "service-account", name: "alice" }, "admin");
  const session = await tokenOf(auth, "alice");
  const ended = await send("auth", "DELETE", "/sessions?user=alice", { bearer });
  expect([ended.status, JSON.parse(ended.text).ended > 0]).toEqual([200, true]);
  expect((await send("auth", "GET", "/session", { bearer: session })).status).toBe(401);
  const reset = { bearer, body: { password: PASSWORD } };
  expect((await send("auth", "PUT", "/users/alice/password", reset)).status).toBe(204);
});

test("S16: a policy that looks at the client's address holds at every API, whatever the client says of it", async () => {
  await auth.createUser({ name: "mover", password: PASSWORD });
  await auth.roles.create("not-from-there", {
    Statement: {
      Effect: "Deny",
      Action: "*",
      Resource: "*",
      Condition: { IpAddress: { "aws:SourceIp": "192.0.2.0/24" } },
    },
  });
  const mover = { kind: "user", name: "mover" } as const;
  for (const role of ["admin", "not-from-there"]) await auth.attachments.attach(mover, role);
  const bearer = await tokenOf(auth, "mover");
  const key = await auth.createKey("mover");
  const headers = {
    "x-forwarded-for": FAR,
    "x-real-ip": FAR,
    forwarded: `for=${FAR}`,
    "x-skerry-source": FAR,
  };
  const ask = async (source: string) => ({
    "auth GET /users": (await send("auth", "GET", "/users", { bearer, headers, source })).status,
    "audit GET /entries": (await send("audit", "GET", "/entries", { bearer, headers, source })).status,
    "storage GET object": (
      await send("storage", "GET", "/buckets/alices/objects/key", { bearer, headers, source })
    ).status,
    "storage GET /buckets": (await send("storage", "GET", "/buckets", { bearer, headers, source })).status,
    "S3 GET object": (await sendS3("GET", "/alices/key", key, { headers, source })).status,
    "S3 ListBuckets": (await sendS3("GET", "/", key, { headers, source })).status,
  });
  const all = (status: number, asked: object) =>
    Object.fromEntries(Object.keys(asked).map((name) => [name, status]));
  const [far, near, mapped] = [await ask(FAR), await ask(NEAR), await ask(`::ffff:${NEAR}`)];
  expect(far).toEqual(all(200, far) as typeof far);
  expect(near).toEqual(all(403, near) as typeof near);
  expect(mapped).toEqual(all(403, mapped) as typeof mapped);
});

test("S16: a policy that asks for TLS binds whoever comes without, at every operation", async () => {
  await auth.createUser({ name: "careful", password: PASSWORD });
  await auth.roles.create("tls-alone", {
    Statement: {
      Effect: "Deny",
      Action: "*",
      Resource: "*",
      Condition: { Bool: { "aws:SecureTransport": "false" } },
    },
  });
  const careful = { kind: "user", name: "careful" } as const;
  for (const role of ["admin", "tls-alone"]) await auth.attachments.attach(careful, role);
  const [bearer, key] = [await tokenOf(auth, "careful"), await auth.createKey("careful")];
  const copied = { "x-amz-copy-source": "/alices/key" };
  const ask = async (overTls: boolean) => {
    const answers = [
      await sendS3("GET", "/", key, { overTls }),
      await sendS3("GET", "/alices/key", key, { overTls, headers: { "x-forwarded-proto": "https" } }),
      await sendS3("PUT", "/alices/copy", key, { overTls, headers: copied }),
      await sendS3("DELETE", "/alices/copy", key, { overTls }),
    ];
    return answers.map(({ status }) => status);
  };
  expect(await ask(true)).toEqual([200, 200, 200, 204]);
  expect(await ask(false)).toEqual([403, 403, 403, 403]);
  for (const [api, path] of [
    ["auth", "/users"],
    ["audit", "/entries"],
    ["storage", "/buckets"],
    ["storage", "/buckets/alices/objects/key"],
  ] as const) {
    expect([path, (await send(api, "GET", path, { bearer })).status]).toEqual([path, 200]);
    expect([path, (await send(api, "GET", path, { bearer, overTls: false })).status]).toEqual([path, 403]);
  }
});

test("S21: no secret is in a log line, in the audit log or in an answer that did not ask for it, errors included", async () => {
  lines.length = 0;
  const answers: string[] = [];
  const seen = async (answer: Promise<{ status: number; text: string }>) => {
    const { status, text } = await answer;
    answers.push(text);
    return status;
  };
  const planted = {
    password: PASSWORD,
    guess: "planted-guess-of-a-password",
    secretAccessKey: "planted/secret/access/key/of/40/letters/",
    customerKey: Buffer.from("planted customer key, 32 bytes..").toString("base64"),
    signature: "",
  };
  const { token, refreshToken } = await signedIn(auth, "root");
  const api = await auth.apiTokens.create({ user: "root" }, { name: "planted", scopes: EVERYTHING });
  const made = await auth.createKey("root");
  const key = { accessKeyId: "PLANTED00000000001", secretAccessKey: planted.secretAccessKey };
  const bearer = token;

  expect(await seen(send("auth", "POST", "/keys/import", { bearer, body: key }))).toBe(201);
  await seen(send("auth", "POST", "/session", { body: { user: "alice", password: planted.guess } }));
  await seen(send("auth", "POST", "/session", { body: { user: "alice", password: [planted.guess] } }));
  const cut = `{"user":"alice","password":"${planted.guess}`;
  const headers = { "content-type": "application/json" };
  expect(await seen(send("auth", "POST", "/session", { body: cut, headers }))).toBe(400);
  const changed = { password: "short", currentPassword: planted.guess };
  await seen(send("auth", "PUT", "/users/root/password", { bearer, body: changed }));
  await seen(send("auth", "GET", `/users?token=${refreshToken}`));
  await seen(send("auth", "POST", "/session/refresh", { body: { refreshToken: `${refreshToken}x` } }));
  await seen(send("auth", "GET", "/users", { bearer: `${api.token}x` }));
  await seen(send("storage", "GET", "/buckets/nowhere/objects/key", { bearer: api.token }));

  // A failure of the database whose statement had the secret among its values.
  await sql`ALTER TABLE access_keys RENAME TO access_keys_away`;
  const another = { ...key, accessKeyId: "PLANTED00000000002" };
  expect(await seen(send("auth", "POST", "/keys/import", { bearer, body: another }))).toBe(500);
  await sql`ALTER TABLE access_keys_away RENAME TO access_keys`;

  // Failures of storage, which nobody foresaw, under signed requests.
  master.errors.set("getObject", new Error("unforeseen"));
  const signed = signRequest({ method: "GET", host: HOST, rawPath: "/alices/key" }, made, REGION, Date.now());
  planted.signature = /Signature=([0-9a-f]{64})/.exec(signed.authorization ?? "")?.[1] ?? "";
  expect(planted.signature).not.toBe("");
  expect(await seen(sendS3("GET", "/alices/key", made))).toBe(500);
  const customer = { "x-amz-server-side-encryption-customer-key": planted.customerKey };
  expect(await seen(sendS3("GET", "/alices/key", made, { headers: customer }))).toBe(501);
  const presigned = `X-Amz-Signature=${planted.signature}&X-Amz-Credential=${made.accessKeyId}`;
  await seen(sendS3("GET", "/alices/key", undefined, { query: presigned }));
  expect(await seen(send("storage", "GET", "/buckets/alices/objects/key", { bearer: api.token }))).toBe(500);

  const secrets = { ...planted, token, refreshToken, api: api.token, made: made.secretAccessKey };
  const { entries } = await audit.entries({}, { limit: 1_000 });
  const exported = await send("audit", "GET", "/export", { bearer });
  expect([lines.length > 2, entries.length > 5, exported.status]).toEqual([true, true, 200]);
  const places = { lines: lines.join(), entries: JSON.stringify(entries), exported: exported.text };
  for (const [place, text] of Object.entries({ ...places, answers: answers.join() })) {
    const found = Object.entries(secrets).filter(([, secret]) => text.includes(secret));
    // S3 tells whoever failed to sign what signature it was given, as AWS does: it proves nothing anywhere else.
    const told = found.map(([name]) => name).filter((name) => place !== "answers" || name !== "signature");
    expect([place, told]).toEqual([place, []]);
  }
});

test("S22: no API lets a page of another origin read or ask anything", async () => {
  const bearer = await tokenOf(auth, "alice");
  for (const origin of ["https://evil.test", `https://${HOST}.evil.test`, `http://${HOST}`, "null"]) {
    const headers = { origin };
    const asked = {
      origin,
      "access-control-request-method": "PUT",
      "access-control-request-headers": "x-skerry-csrf, authorization",
    };
    const answers = [
      await send("auth", "GET", "/session", { bearer, headers }),
      await send("storage", "GET", "/buckets", { bearer, headers }),
      await send("storage", "GET", "/buckets/alices/objects/key", { bearer, headers }),
      await send("audit", "GET", "/entries", { bearer, headers }),
      await send("auth", "OPTIONS", "/session", { headers: asked }),
      await send("storage", "OPTIONS", "/buckets", { headers: asked }),
      await send("audit", "OPTIONS", "/entries", { headers: asked }),
    ];
    const leave = answers.flatMap((answer) =>
      [...answer.headers.keys()].filter((name) => /^access-control/.test(name)),
    );
    const ofS3 = await sendS3("GET", "/alices/key", await auth.createKey("alice"), { headers });
    expect([leave, Object.keys(ofS3.headers).filter((name) => /^access-control/.test(name))]).toEqual([
      [],
      [],
    ]);
    expect(answers.slice(4).every(({ status }) => status >= 400)).toBe(true);
  }
});
