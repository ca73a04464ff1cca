// What the APIs refuse and change is in the audit log, on a real PostgreSQL.
import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { systemClock } from "../std/clock.ts";
import { silentLog } from "../std/log.ts";
import { type AuditService, createAudit } from "./audit/service.ts";
import { eventually } from "./audit/test-audit.ts";
import { createAdminApp, createAuthApp } from "./auth/app.ts";
import type { AuthService } from "./auth/service.ts";
import { AuthBench, PASSWORD, signedIn } from "./auth/test-auth.ts";
import { createStorageApp } from "./storage/app.ts";
import { ObjectStore } from "./storage/objects.ts";
import { signRequest } from "./storage/s3/auth/sign.ts";
import { createS3 } from "./storage/s3/handler.ts";
import { MemoryChunks, MemoryMaster } from "./storage/testing/memory-engine.ts";
import { REGION } from "./storage/testing/s3-double.ts";

setDefaultTimeout(60_000);

const SOURCE = "192.0.2.7";
const REQUEST_ID = "request-1";
const HOST = "cloud.test";

let bench: AuthBench;
let auth: AuthService;
let audit: AuditService;
let authApp: ReturnType<typeof createAuthApp>;
let adminApp: ReturnType<typeof createAdminApp>;
let storageApp: ReturnType<typeof createStorageApp>;
let s3: ReturnType<typeof createS3>;

beforeAll(async () => {
  bench = await AuthBench.start();
  ({ auth } = await bench.open());
  const sql = await bench.connect("audit");
  audit = await createAudit({ sql, clusterSecret: "a secret", clock: systemClock, log: silentLog });
  authApp = createAuthApp(auth, silentLog, { audit });
  adminApp = createAdminApp(auth, silentLog, { audit });
  const [master, chunks] = [new MemoryMaster(), new MemoryChunks()];
  const store = new ObjectStore({
    master: master.client,
    writer: chunks,
    reader: chunks,
    clock: systemClock,
  });
  const { access } = auth;
  storageApp = createStorageApp({
    store,
    sessions: auth,
    access,
    audit,
    clock: systemClock,
    log: silentLog,
  });
  s3 = createS3({ keyring: auth, access, region: REGION, clock: systemClock, log: silentLog, store, audit });
  await auth.ensureAdmin({ name: "root", password: PASSWORD });
  await auth.createUser({ name: "alice", password: PASSWORD });
});

afterAll(async () => {
  await audit.close();
  await bench.stop();
});

/** Waits for an entry of this action as `outcome actor code resource, details` says, under the id that the gateway gave its request. */
async function recorded(action: string, expected: RegExp): Promise<void> {
  await eventually(async () => {
    const { entries } = await audit.entries({ action }, { limit: 10 });
    return entries.some(({ outcome, actor, code, resource, source, requestId, details }) => {
      const more = Object.values(details).map((value) => `, ${value}`);
      const told = `${outcome} ${actor.name || actor.kind} ${code || "-"} ${resource}${more.join("")}`;
      return source === SOURCE && requestId === REQUEST_ID && expected.test(told);
    });
  });
}

function send(
  app: { fetch: typeof authApp.fetch },
  method: string,
  path: string,
  body?: object,
  token?: string,
) {
  const headers: Record<string, string> = { "content-type": "application/json", "x-request-id": "forged" };
  if (token !== undefined) headers.authorization = `Bearer ${token}`;
  const request = new Request(`https://${HOST}${path}`, {
    method,
    headers,
    body: body && JSON.stringify(body),
  });
  return app.fetch(request, { source: SOURCE, requestId: REQUEST_ID });
}

test("who signs in, and who fails to", async () => {
  const failed = await send(authApp, "POST", "/session", { user: "alice", password: "wrong password" });
  expect(failed.status).toBe(401);
  await recorded("auth:SignIn", /^refused anonymous invalid_credentials arn:skerry:auth:::path\/session$/);
  const answer = await send(authApp, "POST", "/session", { user: "alice", password: PASSWORD });
  expect(answer.status).toBe(201);
  await recorded("auth:SignIn", /^allowed alice - arn:skerry:auth:::path\/session, POST \/session$/);
});

test("a change, by a user and by the operator, and with the resource it was about", async () => {
  const { token } = await signedIn(auth, "root");
  const made = await send(authApp, "POST", "/users", { name: "bob", password: PASSWORD }, token);
  expect(made.status).toBe(201);
  const { id } = (await made.json()) as { id: string };
  const bob = `arn:skerry:auth::${id}:user/${id}`;
  await recorded("auth:CreateUser", new RegExp(`^allowed root - ${bob}, POST /users, bob$`));
  expect((await send(adminApp, "PUT", "/users/bob/roles/read-only")).status).toBe(204);
  await recorded(
    "auth:AttachUserRole",
    new RegExp(`^allowed operator - ${bob}, PUT /users/bob/roles/read-only$`),
  );
  expect((await send(adminApp, "DELETE", "/users/bob")).status).toBe(204);
  await recorded("auth:DeleteUser", new RegExp(`^allowed operator - ${bob}, DELETE /users/bob$`));
});

test("what was made: its resource and its name, and no secret that came with it", async () => {
  const { token } = await signedIn(auth, "root");
  const make = async (path: string, body: object) => {
    const answer = await send(authApp, "POST", path, body, token);
    expect([path, answer.status]).toEqual([path, 201]);
    return (await answer.json()) as Record<string, string>;
  };
  await make("/groups", { name: "team" });
  await recorded("auth:CreateGroup", /^allowed root - arn:skerry:auth:::group\/team, POST \/groups, team$/);
  const document = { Version: "2012-10-17", Statement: { Effect: "Allow", Action: "s3:*", Resource: "*" } };
  await make("/roles", { name: "storage", document });
  await recorded(
    "auth:CreateRole",
    /^allowed root - arn:skerry:auth:::role\/storage, POST \/roles, storage$/,
  );
  const { accessKeyId, secretAccessKey } = await make("/keys", {});
  await recorded(
    "auth:CreateAccessKey",
    new RegExp(`:access-key/${accessKeyId}, POST /keys, ${accessKeyId}$`),
  );
  const pair = { accessKeyId: "AKIDIMPORTED", secretAccessKey: "imported-secret-of-some-length" };
  await make("/keys/import", pair);
  await recorded("auth:ImportAccessKey", /:access-key\/AKIDIMPORTED, POST \/keys\/import, AKIDIMPORTED$/);
  const given = await make("/tokens", { name: "ci", scopes: { "storage.*.*": ["read"] } });
  await recorded("auth:CreateToken", new RegExp(`:token/${given.id}, POST /tokens, ci$`));
  const account = await make("/service-accounts", { name: "robot" });
  await recorded(
    "auth:CreateServiceAccount",
    new RegExp(`:service-account/${account.id}, POST /service-accounts, robot$`),
  );
  const { entries } = await audit.entries({}, { limit: 100 });
  const text = JSON.stringify(entries);
  for (const secret of [secretAccessKey, pair.secretAccessKey, given.token])
    expect(text).not.toContain(secret);
});

test("a refusal, of a stranger and of a user, also of what only reads", async () => {
  expect((await send(authApp, "GET", "/users")).status).toBe(401);
  await recorded("auth:ListUsers", /^refused anonymous unauthenticated arn:skerry:auth:::path\/users$/);
  const { token } = await signedIn(auth, "alice");
  expect((await send(authApp, "POST", "/groups", { name: "ours" }, token)).status).toBe(403);
  await recorded("auth:CreateGroup", /^refused alice forbidden arn:skerry:auth:/);
});

test("S21: no secret of any of it", async () => {
  const { entries } = await audit.entries({}, { limit: 100 });
  expect(entries.length).toBeGreaterThan(4);
  expect(JSON.stringify(entries)).not.toContain(PASSWORD);
});

test("buckets that are made, and what storage refuses", async () => {
  const { token } = await signedIn(auth, "alice");
  expect((await send(storageApp, "POST", "/buckets", { name: "photos" }, token)).status).toBe(201);
  await recorded("s3:CreateBucket", /^allowed alice - arn:aws:s3:::photos$/);
  expect((await send(storageApp, "GET", "/status", undefined, token)).status).toBe(403);
  await recorded("storage:GetStatus", /^refused alice AccessDenied arn:skerry:storage:/);
});

test("what S3 refuses, and buckets made there", async () => {
  await auth.createUser({ name: "carol", password: PASSWORD });
  const [own, other] = [await auth.createKey("alice"), await auth.createKey("carol")];
  const call = async (method: string, path: string, key: typeof own | undefined) => {
    const unsigned = new Map([["host", HOST]]);
    const signing = { method, host: HOST, rawPath: path, query: [], headers: unsigned };
    const headers = key
      ? new Map(Object.entries(signRequest(signing as never, key, REGION, Date.now())))
      : unsigned;
    const request = {
      method,
      target: path,
      headers,
      host: HOST,
      remoteAddress: SOURCE,
      requestId: REQUEST_ID,
      body: null,
    };
    return (await s3(request as never)).status;
  };
  expect(await call("PUT", "/from-s3", own)).toBe(200);
  await recorded("s3:CreateBucket", /^allowed alice - arn:aws:s3:::from-s3$/);
  expect(await call("GET", "/from-s3/a/key", other)).toBe(403);
  await recorded("s3:GetObject", /^refused carol AccessDenied arn:aws:s3:::from-s3\/a\/key$/);
  expect(await call("GET", "/from-s3", undefined)).toBe(403);
  await recorded("s3:Authenticate", /^refused anonymous AccessDenied arn:aws:s3:::from-s3$/);
});
