// The commands about access against the real API, behind a socket as the gateway opens it.
import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { type AuthApp, createAdminApp } from "../../apis/auth/app.ts";
import { AuthBench, PASSWORD } from "../../apis/auth/test-auth.ts";
import { silentLog } from "../../std/log.ts";
import { DataDirectory } from "../data-directory.ts";
import { runCaptured } from "../testing/run-captured.ts";

// A real PostgreSQL on a loaded machine.
setDefaultTimeout(60_000);

let bench: AuthBench;
let directory: string;
let server: Bun.Server<undefined>;

beforeAll(async () => {
  bench = await AuthBench.start();
  const { auth } = await bench.open();
  await auth.ensureAdmin({ name: "root", password: PASSWORD });
  await auth.createUser({ name: "alice", password: PASSWORD });
  const app: AuthApp = createAdminApp(auth, silentLog, {
    bucketOwner: async () => auth.principalNamed("alice").userId,
  });
  directory = await mkdtemp(join(tmpdir(), "skerry-access-"));
  await writeFile(join(directory, "layout.json"), "{}");
  const { adminSocket } = new DataDirectory(directory);
  await mkdir(dirname(adminSocket), { recursive: true });
  server = Bun.serve({
    unix: adminSocket,
    fetch: (request) => app.fetch(request, { source: "admin socket" }),
  });
  await writeFile(
    join(directory, "reader.json"),
    JSON.stringify({ Statement: { Sid: "R", Effect: "Allow", Action: "s3:Get*", Resource: "*" } }),
  );
});

afterAll(async () => {
  await server.stop(true);
  await bench.stop();
  await rm(directory, { recursive: true });
});

const run = (...argv: string[]) => runCaptured([...argv, "--data", directory]);

async function done(...argv: string[]): Promise<string> {
  const { code, out, err } = await run(...argv);
  expect([argv, code, err]).toEqual([argv, 0, ""]);
  return out;
}

test("a group gets a role, and its member what the role allows", async () => {
  const explain = ["policy", "explain", "s3:GetObject", "arn:aws:s3:::photos/a", "--user", "root"];
  expect(await done(...explain)).toBe("allowed: statement Everything of role/admin\n");
  const ofAlice = [...explain.slice(0, 3), "arn:skerry:auth::nobody:user/x", "--user", "alice"];
  expect(await done(...ofAlice)).toBe("denied: no role of the user allows it\n");
  expect(await done("role", "create", "reader", "--file", join(directory, "reader.json"))).toBe(
    "made reader\n",
  );
  await done("group", "add", "readers");
  await done("group", "rename", "readers", "viewers");
  await done("role", "attach", "reader", "--group", "viewers");
  await done("group", "add-member", "viewers", "alice");
  expect(await done("group", "list")).toMatch(/^viewers +alice +reader$/m);
  expect(await done(...ofAlice)).toBe("allowed: statement R of role/reader\n");
  await done("role", "set-boundary", "read-only", "--user", "alice");
  await done("role", "clear-boundary", "--user", "alice");
  await done("group", "remove-member", "viewers", "alice");
  expect(await done(...ofAlice)).toStartWith("denied");
  expect((await run("role", "remove", "reader")).err).toContain("detach it everywhere first");
  await done("role", "detach", "reader", "--group", "viewers");
  await done("role", "update", "reader", "--file", join(directory, "reader.json"));
  expect(await done("role", "show", "reader")).toContain('"s3:Get*"');
  await done("role", "remove", "reader");
  await done("group", "remove", "viewers");
  expect(await done("role", "list")).toMatch(/^member +built in$/m);
});

test("a service account is made, switched off and on, gets key and token, and is removed", async () => {
  await done("service-account", "create", "robot", "--owner", "alice");
  await done("role", "attach", "member", "--service-account", "robot");
  expect(await done("service-account", "create-key", "robot")).toMatch(/^access key {2}SK/);
  await done("service-account", "disable", "robot");
  expect(await done("service-account", "list")).toMatch(/^robot +alice +member +disabled$/m);
  await done("service-account", "enable", "robot");
  const create = ["token", "create", "--service-account", "robot", "--name", "ci", "--json"];
  const made = JSON.parse(await done(...create, "--scope", "storage.alice.bucket.photos=read+create"));
  expect(made.token).toStartWith("sk_");
  expect(await done("token", "list", "--service-account", "robot")).toContain(made.id);
  await done("token", "revoke", made.id);
  expect(await done("token", "list")).not.toContain(made.id);
  await done("service-account", "remove", "robot");
});

test("wrong usage is 2, a refusal 1", async () => {
  expect((await run("token", "create", "--name", "x", "--scope", "storage.alice.*=read")).code).toBe(2);
  expect((await run("token", "create", "--name", "x", "--user", "alice", "--scope", "nonsense")).code).toBe(
    2,
  );
  expect((await run("role", "attach", "member")).code).toBe(2);
  expect((await run("role", "attach", "member", "--user", "alice", "--group", "g")).code).toBe(2);
  expect((await run("group", "add-member", "viewers")).code).toBe(2);
  expect((await run("role", "attach", "none", "--user", "alice")).code).toBe(1);
  expect((await run("role", "create", "x", "--file", join(directory, "none"))).code).toBe(1);
  expect((await run("role", "detach", "admin", "--user", "root")).err).toContain("without an administrator");
});
