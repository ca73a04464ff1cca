import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import type { Database } from "../../std/db/database.ts";
import type { AuthService } from "./service.ts";
import { AuthBench, from, PASSWORD, refusal, signedIn, tokenOf } from "./test-auth.ts";

// A real PostgreSQL on a loaded machine.
setDefaultTimeout(60_000);

let bench: AuthBench;
let auth: AuthService;
let sql: Database;

beforeAll(async () => {
  bench = await AuthBench.start();
  ({ auth, sql } = await bench.open());
  await auth.ensureAdmin({ name: "root", password: PASSWORD });
});

afterAll(() => bench.stop());

test("the first administrator is made once, even by processes that start together", async () => {
  const services = await Promise.all([
    bench.open("together"),
    bench.open("together"),
    bench.open("together"),
  ]);
  const made = await Promise.all(
    services.map((each, index) => each.auth.ensureAdmin({ name: `admin${index}`, password: PASSWORD })),
  );
  expect(made.filter(({ created }) => created)).toHaveLength(1);
  expect(await services[0]!.auth.listUsers()).toHaveLength(1);
  expect(await auth.ensureAdmin({ name: "late", password: PASSWORD })).toEqual({ created: false });
});

test("a user is made with a folded name, and a password that the database does not hold", async () => {
  const user = await auth.createUser({ name: "Alice.B", password: PASSWORD });
  expect(user).toMatchObject({ name: "alice.b", admin: false, disabled: false });
  expect(await auth.listUsers()).toContainEqual(user);
  const [row] = await sql`SELECT users::text AS text FROM users WHERE name = 'alice.b'`;
  expect(row?.text).toContain("$argon2id$");
  expect(row?.text).not.toContain(PASSWORD);
});

test("a name is taken in any case", async () => {
  await auth.createUser({ name: "carol", password: PASSWORD });
  expect(await refusal(auth.createUser({ name: "CAROL", password: PASSWORD }))).toBe("name_taken");
  const both = ["dora", "Dora"].map((name) => auth.createUser({ name, password: PASSWORD }));
  const results = await Promise.allSettled(both);
  expect(results.map(({ status }) => status).sort()).toEqual(["fulfilled", "rejected"]);
});

test.each([
  "",
  "x".repeat(65),
  "two words",
  "nul\u0000",
  "line\n",
  "\u212aelvin", // folds to "kelvin"
  "\u0430lice", // Cyrillic a
  "a\u200bb",
  "../etc",
  ".hidden",
  "-flag",
])("the name %j is refused", async (name) => {
  expect(await refusal(auth.createUser({ name, password: PASSWORD }))).toBe("invalid_name");
});

test("a weak password is refused before anything is stored", async () => {
  expect(await refusal(auth.createUser({ name: "weak", password: "1234567" }))).toBe("invalid_password");
  expect((await auth.listUsers()).some(({ name }) => name === "weak")).toBe(false);
});

test("E08: a removed user is out at once, with keys and sessions", async () => {
  await auth.createUser({ name: "leaver", password: PASSWORD });
  const key = await auth.createKey("leaver");
  const token = await tokenOf(auth, "leaver");
  expect(await auth.verify(token)).toMatchObject({ name: "leaver" });
  await auth.removeUser("Leaver");
  expect(await auth.verify(token)).toBeUndefined();
  expect(auth.find(key.accessKeyId)).toBeUndefined();
  expect(await refusal(signedIn(auth, "leaver", PASSWORD, from("s")))).toBe("invalid_credentials");
  expect(await refusal(auth.removeUser("leaver"))).toBe("not_found");
});

test("a disabled user is out at once, and in again when enabled, but old sessions stay over", async () => {
  await auth.createUser({ name: "paused", password: PASSWORD });
  const key = await auth.createKey("paused");
  const token = await tokenOf(auth, "paused");
  expect(await auth.updateUser("paused", { disabled: true })).toMatchObject({ disabled: true });
  expect(await auth.verify(token)).toBeUndefined();
  expect(auth.find(key.accessKeyId)).toBeUndefined();
  expect(await refusal(signedIn(auth, "paused", PASSWORD, from("s")))).toBe("invalid_credentials");
  await auth.updateUser("paused", { disabled: false });
  expect(auth.find(key.accessKeyId)?.secretAccessKey).toBe(key.secretAccessKey);
  expect(await auth.verify(token)).toBeUndefined();
  expect(await auth.verify(await tokenOf(auth, "paused"))).toMatchObject({ name: "paused" });
});

test("becoming an administrator and ceasing to be one takes effect on live sessions and keys", async () => {
  await auth.createUser({ name: "deputy", password: PASSWORD });
  const token = await tokenOf(auth, "deputy");
  const { accessKeyId } = await auth.createKey("deputy");
  await auth.updateUser("deputy", { admin: true });
  expect(await auth.verify(token)).toMatchObject({ admin: true });
  await auth.updateUser("deputy", { admin: false });
  expect(await auth.verify(token)).toMatchObject({ admin: false });
  expect(auth.find(accessKeyId)?.principal.admin).toBe(false);
});

test("the last administrator can be neither removed nor disabled nor demoted, nor two at the same time", async () => {
  expect(await refusal(auth.removeUser("root"))).toBe("last_admin");
  expect(await refusal(auth.updateUser("root", { disabled: true }))).toBe("last_admin");
  expect(await refusal(auth.updateUser("root", { admin: false }))).toBe("last_admin");
  await auth.createUser({ name: "second", password: PASSWORD, admin: true });
  const results = await Promise.allSettled([
    auth.updateUser("root", { admin: false }),
    auth.updateUser("second", { admin: false }),
  ]);
  expect(results.map(({ status }) => status).sort()).toEqual(["fulfilled", "rejected"]);
  expect((await auth.listUsers()).filter(({ admin }) => admin)).toHaveLength(1);
});

test("a new password replaces the old one and ends every session", async () => {
  await auth.createUser({ name: "changer", password: PASSWORD });
  const token = await tokenOf(auth, "changer");
  await auth.setPassword("changer", "another password");
  expect(await auth.verify(token)).toBeUndefined();
  expect(await refusal(signedIn(auth, "changer", PASSWORD, from("s")))).toBe("invalid_credentials");
  expect(await auth.verify(await tokenOf(auth, "changer", "another password"))).toBeDefined();
  expect(await refusal(auth.setPassword("nobody", PASSWORD))).toBe("not_found");
  expect(await refusal(auth.setPassword("changer", "short"))).toBe("invalid_password");
});

test("one's own password changes only with the current one", async () => {
  await auth.createUser({ name: "careful", password: PASSWORD });
  expect(await refusal(auth.changePassword("careful", "a wrong guess", "new password", "s"))).toBe(
    "invalid_credentials",
  );
  await auth.changePassword("careful", PASSWORD, "new password", "s");
  expect(await auth.verify(await tokenOf(auth, "careful", "new password"))).toBeDefined();
});
