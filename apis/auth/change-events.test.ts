// What every write of the auth service leaves in the outbox. Nothing relays here, so it stays.
import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import type { Database } from "../../std/db/database.ts";
import type { AuthService } from "./service.ts";
import { AuthBench, PASSWORD, signedIn } from "./test-auth.ts";

// A real PostgreSQL on a loaded machine.
setDefaultTimeout(60_000);

let bench: AuthBench;
let auth: AuthService;
let sql: Database;
let alice: string;

beforeAll(async () => {
  bench = await AuthBench.start();
  ({ auth, sql } = await bench.open());
  await auth.ensureAdmin({ name: "root", password: PASSWORD });
  alice = (await auth.createUser({ name: "alice", password: PASSWORD })).id;
  await events();
});
afterAll(() => bench.stop());

/** The subjects that were added since the last call, sorted; ids of users by name. */
async function events(): Promise<string[]> {
  const rows = await sql<{ subject: string }[]>`DELETE FROM outbox RETURNING subject`;
  return rows.map(({ subject }) => subject.replaceAll(alice, "ALICE")).sort();
}

test("a user is created, updated, deleted", async () => {
  const { id } = await auth.createUser({ name: "bob", password: PASSWORD });
  const [created] = await sql`SELECT subject, data FROM outbox`;
  expect(created).toEqual({ subject: `auth.user.${id}.created`, data: '{"name":"bob","disabled":false}' });
  await events();
  await auth.updateUser("bob", { disabled: true });
  const [updated] = await sql`SELECT data FROM outbox WHERE subject = ${`auth.user.${id}.updated`}`;
  expect(updated).toEqual({ data: '{"name":"bob","disabled":true}' });
  expect(await events()).toEqual([`auth.identity.${id}.updated`, `auth.user.${id}.updated`]);
  await auth.removeUser("bob");
  expect(await events()).toEqual([`auth.user.${id}.deleted`]);
});

test("a session that ends is revoked, one that begins or goes on is not", async () => {
  const first = (await auth.session((await signedIn(auth, "alice")).token))!;
  const second = (await auth.session((await signedIn(auth, "alice")).token))!;
  expect(await events()).toEqual([]);
  await auth.signOut(first);
  expect(await events()).toEqual([`auth.session.${first.id}.revoked`]);
  await auth.setPassword("alice", PASSWORD);
  expect(await events()).toEqual([`auth.session.${second.id}.revoked`]);
});

test("whatever changes what an identity may do says so, and so does what takes it away", async () => {
  const changes: [string, () => Promise<unknown>][] = [];
  let key = "";
  let token = "";
  const add = (name: string, work: () => Promise<unknown>) => changes.push([name, work]);
  add("key made", async () => {
    key = (await auth.createKey("alice")).accessKeyId;
  });
  add("key disabled", () => auth.setKeyDisabled(key, true));
  add("key revoked", () => auth.revokeKey(key));
  add("token made", async () => {
    const scopes = { "storage.alice.bucket.x": ["read"] };
    token = (await auth.apiTokens.create({ user: "alice" }, { name: "t", scopes })).id;
  });
  add("token revoked", () => auth.apiTokens.revoke(token));
  add("role attached", () => auth.attachments.attach({ kind: "user", name: "alice" }, "read-only"));
  add("role detached", () => auth.attachments.detach({ kind: "user", name: "alice" }, "read-only"));
  await auth.groups.create("g");
  expect(await events()).toEqual([]);
  add("joined a group", () => auth.groups.addMember("g", "alice"));
  add("its group got a role", () => auth.attachments.attach({ kind: "group", name: "g" }, "read-only"));
  add("left the group", () => auth.groups.removeMember("g", "alice"));
  add("joined again", () => auth.groups.addMember("g", "alice"));
  const document = { Statement: { Effect: "Allow", Action: "s3:GetObject", Resource: "*" } };
  await auth.roles.create("custom", document);
  add("its group got another", () => auth.attachments.attach({ kind: "group", name: "g" }, "custom"));
  add("the role was rewritten", () => auth.roles.update("custom", document));
  add("its group is gone", () => auth.groups.remove("g"));
  for (const [name, work] of changes) {
    await work();
    const found = (await events()).filter((subject) => subject !== "auth.user.ALICE.updated");
    expect([name, found]).toEqual([name, ["auth.identity.ALICE.updated"]]);
  }
});

test("service accounts are identities, and go with their user and with the token they were made through", async () => {
  const account = async (name: string, parentId?: string) =>
    (await auth.serviceAccounts.create({ name, owner: "carol", parentId })).id;
  await auth.createUser({ name: "carol", password: PASSWORD });
  const scopes = { "auth.carol.service-account": ["create"] };
  const token = await auth.apiTokens.create({ user: "carol" }, { name: "t", scopes });
  const carol = auth.principalNamed("carol").userId;
  const [robot, made] = [await account("robot"), await account("made", token.id)];
  await events();
  await auth.apiTokens.revoke(token.id);
  expect(await events()).toEqual([`auth.identity.${made}.updated`, `auth.identity.${carol}.updated`].sort());
  await auth.removeUser("carol");
  expect(await events()).toEqual([`auth.identity.${robot}.updated`, `auth.user.${carol}.deleted`].sort());
});

test("S21: no secret is in an event", async () => {
  const { secretAccessKey } = await auth.createKey("alice");
  const { token } = await auth.apiTokens.create(
    { user: "alice" },
    { name: "t", scopes: { "storage.alice.bucket.x": ["read"] } },
  );
  const session = await signedIn(auth, "alice");
  await auth.setPassword("alice", `${PASSWORD}!`);
  const rows = await sql`SELECT subject, data FROM outbox`;
  const text = JSON.stringify(rows);
  expect(rows.length).toBeGreaterThan(2);
  for (const secret of [secretAccessKey, token, session.token, session.refreshToken, PASSWORD]) {
    expect(text).not.toContain(secret);
  }
});

test("a change that is refused leaves no event", async () => {
  await events();
  await expect(auth.removeUser("root")).rejects.toThrow();
  await expect(auth.createUser({ name: "alice", password: PASSWORD })).rejects.toThrow();
  expect(await events()).toEqual([]);
});
