// What must be said of the buckets of a user who is removed, and what the storage hears of it.
import { afterAll, beforeAll, beforeEach, expect, setDefaultTimeout, test } from "bun:test";
import type { Database } from "../../std/db/database.ts";
import { silentLog } from "../../std/log.ts";
import { type AuthApp, createAdminApp } from "./app.ts";
import type { AuthService } from "./service.ts";
import { AuthBench, PASSWORD } from "./test-auth.ts";

// A real PostgreSQL on a loaded machine.
setDefaultTimeout(60_000);

let bench: AuthBench;
let auth: AuthService;
let sql: Database;
let app: AuthApp;
let owners: string[];
let alice: string;

beforeAll(async () => {
  bench = await AuthBench.start();
  ({ auth, sql } = await bench.open());
  app = createAdminApp(auth, silentLog, { ownsBuckets: async (id) => owners.includes(id) });
  await auth.ensureAdmin({ name: "root", password: PASSWORD });
});
afterAll(() => bench.stop());

beforeEach(async () => {
  alice = (await auth.createUser({ name: "alice", password: PASSWORD })).id;
  owners = [alice];
});

async function remove(query: string): Promise<[status: number, code: string | undefined]> {
  const request = new Request(`http://admin/users/alice${query}`, { method: "DELETE" });
  const response = await app.fetch(request, { source: "admin socket" });
  const text = await response.text();
  return [response.status, text === "" ? undefined : JSON.parse(text).error.code];
}

async function told(): Promise<unknown> {
  const [row] = await sql`SELECT data FROM outbox WHERE subject = ${`auth.user.${alice}.deleted`}`;
  return row && JSON.parse(row.data);
}

test("who owns buckets is removed only with a word about them, which the event tells", async () => {
  const refused: [query: string, answer: [number, string]][] = [
    ["", [409, "user_owns_buckets"]],
    ["?buckets=burn", [400, "invalid_request"]],
    ["?buckets=keep", [400, "invalid_request"]],
    ["?newOwner=root", [400, "invalid_request"]],
    ["?buckets=delete&newOwner=root", [400, "invalid_request"]],
    ["?buckets=keep&newOwner=alice", [400, "invalid_request"]],
    ["?buckets=keep&newOwner=nobody", [404, "not_found"]],
  ];
  for (const [query, answer] of refused) expect([query, await remove(query)]).toEqual([query, answer]);
  expect([await auth.hasUser(alice), await told()]).toEqual([true, undefined]);
  expect(await remove("?buckets=delete")).toEqual([204, undefined]);
  expect([await auth.hasUser(alice), await told()]).toEqual([
    false,
    { name: "alice", buckets: { to: "delete" } },
  ]);
});

test("another user gets them", async () => {
  expect(await remove("?buckets=keep&newOwner=ROOT")).toEqual([204, undefined]);
  const owner = auth.principalNamed("root").userId;
  expect(await told()).toEqual({ name: "alice", buckets: { to: "owner", owner } });
});

test("who owns none is removed without a word", async () => {
  owners = [];
  expect(await remove("")).toEqual([204, undefined]);
  expect(await told()).toEqual({ name: "alice", buckets: null });
});
