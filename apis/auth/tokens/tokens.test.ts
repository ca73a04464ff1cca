import { afterAll, afterEach, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import type { Database } from "../../../std/db/database.ts";
import { silentLog } from "../../../std/log.ts";
import { bucketName, objectName } from "../../policy/resource-names.ts";
import { TOKEN_CHAIN_MAX } from "../access/limits.ts";
import { type AuthApp, createAuthApp } from "../app.ts";
import type { AuthService } from "../service.ts";
import { AuthBench, PASSWORD, refusal, tokenOf } from "../test-auth.ts";
import { type NewApiToken, TOKEN_DAYS, TOKEN_DAYS_MAX, TOKENS_PER_IDENTITY_MAX } from "./tokens.ts";

// A real PostgreSQL on a loaded machine.
setDefaultTimeout(60_000);

const DAY_MS = 24 * 3_600_000;
const READ_PHOTOS = { "storage.alice.bucket.photos": ["read"] };
const ALL = {
  "storage.*.*": ["create", "read", "update", "delete"],
  "auth.*.*": ["create", "read", "update", "delete"],
};
const alice = { user: "alice" };
let bench: AuthBench;
let auth: AuthService;
let app: AuthApp;
let sql: Database;
let owner: string;

beforeAll(async () => {
  bench = await AuthBench.start();
  ({ auth, sql } = await bench.open("main"));
  app = createAuthApp(auth, silentLog);
  await auth.ensureAdmin({ name: "root", password: PASSWORD });
  await auth.createUser({ name: "alice", password: PASSWORD });
  owner = auth.principalNamed("alice").userId;
});

afterEach(() => {
  bench.clock.aheadMs = 0;
});

afterAll(() => bench.stop());

const make = (scopes: unknown = READ_PHOTOS, parent?: NewApiToken, days?: number) =>
  auth.apiTokens.create(alice, { name: "t", scopes, days }, parent?.id);

async function may(token: string, action: "s3:GetObject" | "s3:PutObject", bucket = "photos") {
  const principal = await auth.verify(token);
  if (!principal) return undefined;
  await auth.access.freshened();
  return auth.access.decide(principal, action, { resource: objectName(bucket, "a"), owner }).allowed;
}

test("a token may do what its scopes say, and no more", async () => {
  const { token } = await make();
  expect(token).toMatch(/^sk_[A-Za-z0-9_-]{43}$/);
  expect(await auth.verify(token)).toMatchObject({ userId: owner, name: "alice", admin: false });
  expect([await may(token, "s3:GetObject"), await may(token, "s3:PutObject")]).toEqual([true, false]);
  expect(await may(token, "s3:GetObject", "other")).toBe(false);
});

test("S12: the token of an administrator may do no more than its scopes either", async () => {
  const made = await auth.apiTokens.create({ user: "root" }, { name: "t", scopes: READ_PHOTOS });
  expect([await may(made.token, "s3:GetObject"), await may(made.token, "s3:PutObject")]).toEqual([
    true,
    false,
  ]);
});

test("S21: the database does not hold a token", async () => {
  const { id, token } = await make();
  const [row] = await sql<
    { text: string }[]
  >`SELECT api_tokens::text AS text FROM api_tokens WHERE id = ${id}`;
  expect(row?.text).toContain("storage.");
  expect(row?.text).not.toContain(token.slice(3));
  expect(row?.text).not.toContain(Buffer.from(token.slice(3), "base64url").toString("hex"));
  expect(JSON.stringify(await auth.apiTokens.list())).not.toContain(token.slice(3));
});

test("S12, E05, E10: what is made through a token is less than it, and is over with it", async () => {
  const parent = await make({ ...READ_PHOTOS, "auth.alice.token": ["create"] });
  const answer = await app.fetch(
    new Request("https://cloud.test/tokens", {
      method: "POST",
      headers: { authorization: `Bearer ${parent.token}`, "content-type": "application/json" },
      body: JSON.stringify({ name: "wider", scopes: ALL, days: TOKEN_DAYS_MAX }),
    }),
    { source: "192.0.2.1" },
  );
  const child = (await answer.json()) as NewApiToken;
  expect([answer.status, child.parent, child.expiresAt]).toEqual([201, parent.id, parent.expiresAt]);
  const key = await auth.createKey(alice, { tokenId: child.id });
  const ofKey = () => auth.find(key.accessKeyId)?.principal;
  const mayDo = (action: "s3:ListBucket" | "s3:DeleteBucket") =>
    auth.access.decide(ofKey()!, action, { resource: bucketName("photos"), owner }).allowed;
  expect([await may(child.token, "s3:GetObject"), await may(child.token, "s3:PutObject")]).toEqual([
    true,
    false,
  ]);
  expect([mayDo("s3:ListBucket"), mayDo("s3:DeleteBucket")]).toEqual([true, false]);
  await auth.apiTokens.revoke(parent.id);
  expect(await may(child.token, "s3:GetObject")).toBeUndefined();
  expect(ofKey()).toBeUndefined();
  const left = await sql`SELECT FROM access_keys WHERE access_key_id = ${key.accessKeyId}`;
  expect(left).toHaveLength(0);
});

test("E10: a token is over after its days, 90 unless told otherwise", async () => {
  const [usual, short] = [await make(), await make(READ_PHOTOS, undefined, 1)];
  expect(usual.expiresAt - usual.createdAt).toBe(TOKEN_DAYS * DAY_MS);
  bench.clock.aheadMs = DAY_MS - 60_000;
  expect(await may(short.token, "s3:GetObject")).toBe(true);
  bench.clock.aheadMs = DAY_MS;
  expect(await may(short.token, "s3:GetObject")).toBeUndefined();
  expect(await may(usual.token, "s3:GetObject")).toBe(true);
});

test("when a token was last used is written with the next maintenance, not with each use", async () => {
  const { id, token } = await make();
  const written = async () => (await sql`SELECT last_used FROM api_tokens WHERE id = ${id}`)[0]?.last_used;
  await auth.verify(token);
  expect(await written()).toBeNull();
  await auth.maintain();
  expect(await written()).toBeInstanceOf(Date);
  expect((await auth.apiTokens.list({ userId: owner })).find((each) => each.id === id)?.lastUsedAt).toBe(
    (await written()).getTime(),
  );
});

test("scopes keep to the user who was meant, also when another comes by the name", async () => {
  await auth.createUser({ name: "gone", password: PASSWORD });
  const { token } = await auth.apiTokens.create(
    { user: "root" },
    { name: "t", scopes: { "storage.gone.*": ["read"] } },
  );
  expect(await auth.verify(token)).toBeDefined();
  await auth.removeUser("gone");
  await auth.createUser({ name: "gone", password: PASSWORD });
  expect(await auth.verify(token)).toBeUndefined();
});

test("what are no scopes is refused", async () => {
  for (const scopes of [
    {},
    { nonsense: ["read"] },
    { "storage.alice.*": [] },
    { "storage.nobody.*": ["read"] },
  ]) {
    expect(await refusal(make(scopes))).toBe("invalid_scopes");
  }
});

test("E05, E08: a disabled user's tokens are worth nothing, and a session is no help to a token", async () => {
  await auth.createUser({ name: "paused", password: PASSWORD });
  const { token } = await auth.apiTokens.create({ user: "paused" }, { name: "t", scopes: ALL });
  await auth.updateUser("paused", { disabled: true });
  expect(await auth.verify(token)).toBeUndefined();
  const cookie = `__Host-skerry_session=${await tokenOf(auth, "root")}`;
  const headers = { authorization: `Bearer ${token}`, cookie };
  const answer = await app.fetch(new Request("https://cloud.test/session", { headers }), { source: "s" });
  expect(answer.status).toBe(401);
});

test("generations and numbers are bounded", async () => {
  let last: NewApiToken | undefined;
  for (let n = 0; n < TOKEN_CHAIN_MAX; n++) last = await make(READ_PHOTOS, last);
  expect(await may(last!.token, "s3:GetObject")).toBe(true);
  expect(await refusal(make(READ_PHOTOS, last))).toBe("limit_reached");
  const present = (await auth.apiTokens.list({ userId: owner })).length;
  for (let n = present; n < TOKENS_PER_IDENTITY_MAX; n++) await make();
  expect(await refusal(make())).toBe("limit_reached");
});
