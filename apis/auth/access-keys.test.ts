import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import type { Database } from "../../std/db/database.ts";
import { ACCESS_KEYS_PER_USER_MAX } from "./access-keys.ts";
import type { AuthService } from "./service.ts";
import { AuthBench, PASSWORD, refusal } from "./test-auth.ts";

// A real PostgreSQL on a loaded machine.
setDefaultTimeout(60_000);

let bench: AuthBench;
let auth: AuthService;
let sql: Database;

beforeAll(async () => {
  bench = await AuthBench.start();
  ({ auth, sql } = await bench.open("main"));
  await auth.ensureAdmin({ name: "root", password: PASSWORD });
  await auth.createUser({ name: "alice", password: PASSWORD });
});

afterAll(() => bench.stop());

test("a key is found as soon as it is made, with its user", async () => {
  const key = await auth.createKey("Alice");
  expect(key.accessKeyId).toMatch(/^SK[A-Z0-9]{18}$/);
  expect(key.secretAccessKey).toMatch(/^[A-Za-z0-9]{40}$/);
  const found = auth.find(key.accessKeyId);
  expect(found?.secretAccessKey).toBe(key.secretAccessKey);
  expect(found?.principal).toMatchObject({ name: "alice", admin: false });
  expect(auth.find(key.accessKeyId.toLowerCase())).toBeUndefined();
});

test("a list has the keys of one user or of all, without secrets", async () => {
  await auth.createUser({ name: "lister", password: PASSWORD });
  const { secretAccessKey, ...summary } = await auth.createKey("lister");
  expect(await auth.listKeys({ user: "Lister" })).toEqual([summary]);
  const all = await auth.listKeys();
  expect(all).toContainEqual(summary);
  expect(JSON.stringify(all)).not.toContain(secretAccessKey);
  expect(await auth.listKeys({ user: "nobody" })).toEqual([]);
});

test("an imported pair works as it is, and its id cannot be taken twice", async () => {
  const summary = await auth.importKey("alice", "legacy-KEY_1.x", "old/secret+with=signs");
  expect(summary).toMatchObject({ accessKeyId: "legacy-KEY_1.x", user: "alice", disabled: false });
  expect(auth.find("legacy-KEY_1.x")?.secretAccessKey).toBe("old/secret+with=signs");
  expect(await refusal(auth.importKey("root", "legacy-KEY_1.x", "another secret"))).toBe(
    "invalid_access_key",
  );
  expect(await refusal(auth.importKey("root", "legacy-KEY_1.x", "another-secret"))).toBe("key_exists");
  expect(auth.find("legacy-KEY_1.x")?.principal.name).toBe("alice");
});

test.each([
  ["ab", "long-enough"],
  ["a".repeat(129), "long-enough"],
  ["with/slash", "long-enough"],
  ["with,comma", "long-enough"],
  ["with=sign", "long-enough"],
  ["nul\u0000", "long-enough"],
  ["line\n", "long-enough"],
  ["unic\u00f6de", "long-enough"],
  ["short-secret", "1234567"],
  ["long-secret", "x".repeat(129)],
  ["control-secret", "12345678\u0007"],
  ["unicode-secret", "p\u00e4sswords"],
])("the pair %j, %j is refused", async (accessKeyId, secretAccessKey) => {
  expect(await refusal(auth.importKey("alice", accessKeyId, secretAccessKey))).toBe("invalid_access_key");
  expect(auth.find(accessKeyId)).toBeUndefined();
});

test("a revoked key is gone at once and stays away after a restart", async () => {
  const { accessKeyId } = await auth.createKey("alice");
  await auth.revokeKey(accessKeyId);
  expect(auth.find(accessKeyId)).toBeUndefined();
  expect((await bench.open("main")).auth.find(accessKeyId)).toBeUndefined();
  expect(await refusal(auth.revokeKey(accessKeyId))).toBe("not_found");
  expect(await refusal(auth.revokeKey("nul\u0000"))).toBe("not_found");
});

test("a disabled key is not found until it is enabled", async () => {
  const { accessKeyId, secretAccessKey } = await auth.createKey("alice");
  await auth.setKeyDisabled(accessKeyId, true);
  expect(auth.find(accessKeyId)).toBeUndefined();
  await auth.setKeyDisabled(accessKeyId, false);
  expect(auth.find(accessKeyId)?.secretAccessKey).toBe(secretAccessKey);
});

test("a user has a bounded number of keys, also when many are made at once", async () => {
  await auth.createUser({ name: "hoarder", password: PASSWORD });
  const made = Array.from({ length: ACCESS_KEYS_PER_USER_MAX + 5 }, () => auth.createKey("hoarder"));
  const refused = (await Promise.allSettled(made)).filter(({ status }) => status === "rejected");
  expect(refused).toHaveLength(5);
  expect(await refusal(auth.createKey("hoarder"))).toBe("limit_reached");
});

test("a key for an unknown user is refused", async () => {
  expect(await refusal(auth.createKey("nobody"))).toBe("not_found");
});

test("a sealed secret moved to another key's row is not used", async () => {
  const [mine, theirs] = [await auth.createKey("alice"), await auth.createKey("root")];
  await sql`
    UPDATE access_keys SET sealed = (SELECT sealed FROM access_keys WHERE access_key_id = ${mine.accessKeyId})
    WHERE access_key_id = ${theirs.accessKeyId}`;
  const { auth: restarted } = await bench.open("main");
  expect(restarted.find(theirs.accessKeyId)).toBeUndefined();
  expect(restarted.find(mine.accessKeyId)?.secretAccessKey).toBe(mine.secretAccessKey);
});

test("S21: neither a dump nor the files of the database hold a secret", async () => {
  const key = await auth.createKey("alice");
  await auth.importKey("alice", "imported", "an-imported-secret");
  await sql`CHECKPOINT`;
  const hidden = [key.secretAccessKey, "an-imported-secret", PASSWORD].map((secret) => Buffer.from(secret));
  const forms = hidden.flatMap((secret) => [
    secret,
    Buffer.from(secret.toString("hex")),
    Buffer.from(secret.toString("base64").replace(/=+$/, "")),
  ]);
  let idSeen = false;
  const search = (bytes: Buffer) => {
    idSeen ||= bytes.includes(key.accessKeyId);
    for (const form of forms) expect(bytes.includes(form)).toBe(false);
  };
  for (const table of ["users", "access_keys", "sessions", "signing_keys"]) {
    const dump = await sql`COPY ${sql(table)} TO STDOUT`.readable();
    search(Buffer.concat(await Array.fromAsync(dump as AsyncIterable<Buffer>)));
  }
  expect(idSeen).toBe(true);
  idSeen = false;
  const data = join(bench.server.directory, "data");
  const files = await readdir(data, { recursive: true, withFileTypes: true });
  for (const file of files.filter((each) => each.isFile())) {
    search(await readFile(join(file.parentPath, file.name)));
  }
  expect(idSeen).toBe(true);
});
