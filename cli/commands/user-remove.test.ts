// Removing users against the real API, behind a socket as the gateway opens it.
import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createAdminApp } from "../../apis/auth/app.ts";
import { AuthBench, PASSWORD } from "../../apis/auth/test-auth.ts";
import { silentLog } from "../../std/log.ts";
import { DataDirectory } from "../data-directory.ts";
import { runCaptured } from "../testing/run-captured.ts";

// A real PostgreSQL on a loaded machine.
setDefaultTimeout(60_000);

const directory = mkdtempSync(join(tmpdir(), "skerry-user-"));
let bench: AuthBench;
let server: Bun.Server<undefined>;
let fates: () => Promise<string[]>;

beforeAll(async () => {
  bench = await AuthBench.start();
  const { auth, sql } = await bench.open();
  await auth.ensureAdmin({ name: "root", password: PASSWORD });
  for (const name of ["alice", "bob"]) await auth.createUser({ name, password: PASSWORD });
  fates = async () => {
    const rows =
      await sql`SELECT data::json -> 'buckets' ->> 'to' AS fate FROM outbox WHERE subject LIKE '%deleted'`;
    return rows.map(({ fate }) => fate);
  };
  const app = createAdminApp(auth, silentLog, { ownsBuckets: async () => true });
  const data = new DataDirectory(directory);
  await data.prepare();
  writeFileSync(join(directory, "layout.json"), "{}");
  server = Bun.serve({ unix: data.adminSocket, fetch: (request) => app.fetch(request, {}) });
});

afterAll(async () => {
  await server.stop(true);
  await bench.stop();
  rmSync(directory, { recursive: true });
});

const run = (...argv: string[]) => runCaptured(["user", "remove", ...argv, "--data", directory]);

test("who owns buckets is removed with a word about them, and a refusal tells which words there are", async () => {
  expect(await run("alice")).toMatchObject({
    code: 1,
    err: "skerry: alice owns buckets: give --buckets-to USER, who gets them, or --delete-buckets, with all their objects\n",
  });
  expect((await run("alice", "--buckets-to", "bob", "--delete-buckets")).code).toBe(2);
  expect(await run("alice", "--buckets-to", "nobody")).toMatchObject({
    code: 1,
    err: expect.stringContaining("nobody"),
  });
  expect(await fates()).toEqual([]);
  expect(await run("alice", "--buckets-to", "bob")).toMatchObject({ code: 0, out: "removed alice\n" });
  expect(await run("bob", "--delete-buckets", "--json")).toMatchObject({ code: 0, out: "{}\n" });
  expect((await fates()).sort()).toEqual(["delete", "owner"]);
  expect((await run("bob", "--delete-buckets")).err).toContain('no user "bob"');
});
