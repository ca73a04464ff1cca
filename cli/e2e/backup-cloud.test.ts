// A whole cloud out of one file: users, keys, sessions and the audit log, one of the databases on a server elsewhere.
import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { mkdtemp, rename, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { CreateBucketCommand, GetObjectCommand, PutObjectCommand } from "@aws-sdk/client-s3";
import { type Database, openDatabase } from "../../std/db/database.ts";
import { embeddedUrl } from "../../std/db/embedded.ts";
import { startTestServer, type TestServer } from "../../std/db/test-server.ts";
import { silentLog } from "../../std/log.ts";
import { type Skerry, skerry, startSkerry } from "./skerry.ts";

// A whole cloud, on a loaded machine.
setDefaultTimeout(240_000);

const BUCKET = "kept";
let server: TestServer;
let people: Database;
let cloud: Skerry;
let elsewhere: string;
let backup: string;

beforeAll(async () => {
  server = await startTestServer();
  people = await openDatabase(server.url, "people", { log: silentLog });
  elsewhere = await mkdtemp(join(tmpdir(), "skerry-backup-cloud-"));
  backup = join(elsewhere, "backup");
  cloud = await startSkerry("--auth-database-url", `${server.url}/people`);
});

afterAll(async () => {
  await cloud?.[Symbol.asyncDispose]();
  await people?.end({ timeout: 1 });
  await server?.remove();
  await rm(elsewhere, { recursive: true, force: true });
});

const here = () => ["--data", cloud.directory];

async function done(...words: string[]): Promise<string> {
  const { code, stdout, stderr } = await skerry(...words, ...here());
  expect([words, code, code === 0 ? "" : stderr]).toEqual([words, 0, ""]);
  return stdout;
}

async function refused(...words: string[]): Promise<string> {
  const { code, stderr } = await skerry(...words, ...here());
  expect([words, code]).toEqual([words, 1]);
  return stderr;
}

function session(init: RequestInit): Promise<Response> {
  const { console, ca } = cloud.credentials;
  return fetch(`${console.url}/api/auth/session`, { ...init, tls: { ca: readFileSync(ca, "utf8") } });
}

async function signIn(): Promise<string> {
  const { user, password } = cloud.credentials.console;
  const headers = { "content-type": "application/json" };
  const answer = await session({ method: "POST", headers, body: JSON.stringify({ user, password }) });
  return ((await answer.json()) as { token: string }).token;
}

const statusOf = async (token: string) =>
  (await session({ headers: { authorization: `Bearer ${token}` } })).status;

async function bodyOf(Key: string): Promise<string> {
  const { Body } = await cloud.client().send(new GetObjectCommand({ Bucket: BUCKET, Key }));
  return Body!.transformToString();
}

const allNamesIn = async (schema: string) =>
  (await people`SELECT name FROM ${people(schema)}.users ORDER BY name`).map(({ name }) => name as string);
const isBusy = (name: string) => name.startsWith("busy-");
const namesIn = async (schema: string) => (await allNamesIn(schema)).filter((name) => !isBusy(name));
const setAside = async () =>
  (await people`SELECT nspname FROM pg_namespace WHERE nspname LIKE 'before_restore%' ORDER BY 1`).map(
    ({ nspname }) => nspname as string,
  );
/** All that a restore may replace or leave behind. */
const parts = () => readdirSync(cloud.directory).filter((name) => !["run", "log"].includes(name));

/** Entries of the audit log. */
async function usersToldOf(): Promise<number> {
  const lines = await done("audit", "list", "--action", "auth:CreateUser", "--json", "--limit", "10000");
  return lines.trimEnd().split("\n").length;
}

let token: string;
let toldBefore: number;

test("a service's URL is where its database is, and the others have theirs", async () => {
  await done("user", "add", "alice");
  expect(await namesIn("public")).toEqual(["admin", "alice"]);
  const sql = await openDatabase((await embeddedUrl(join(cloud.directory, "postgres")))!, "postgres", {
    log: silentLog,
  });
  const present =
    await sql`SELECT datname FROM pg_database WHERE datname IN ('auth', 'audit', 'events', 'people')`;
  expect(present.map(({ datname }) => datname).sort()).toEqual(["audit", "events"]);
  await sql.end();
});

test("one file takes all of it, closed to others, while everything serves", async () => {
  const client = cloud.client();
  await client.send(new CreateBucketCommand({ Bucket: BUCKET }));
  await client.send(new PutObjectCommand({ Bucket: BUCKET, Key: "a", Body: "value" }));
  token = await signIn();
  expect(await statusOf(token)).toBe(200);
  toldBefore = await usersToldOf();
  let taken = false;
  const added = Promise.withResolvers<void>();
  const busy = (async () => {
    for (let i = 0; !taken; i++) {
      await done("user", "add", `busy-${i}`);
      added.resolve();
    }
  })();
  await added.promise;
  expect(await done("backup", "--to", backup)).toContain("databases auth, events, audit");
  taken = true;
  await busy;
  expect(statSync(backup).mode & 0o777).toBe(0o600);
  expect(readdirSync(elsewhere)).toEqual(["backup"]);
  await done("user", "add", "bob");
  await cloud.stop();
});

test("a restore that one database refuses changes nothing", async () => {
  const before = parts();
  expect(await refused("restore", "--from", backup)).toContain(
    'the database "people" of auth has tables already',
  );
  expect(parts()).toEqual(before);
  expect(await namesIn("public")).toEqual(["admin", "alice", "bob"]);
  expect(await setAside()).toEqual([]);
});

test("nothing starts on what is half restored, until the restore has come to its end", async () => {
  const keys = join(cloud.directory, "auth");
  await rename(keys, join(elsewhere, "auth"));
  await writeFile(keys, "in the way");
  expect(await refused("restore", "--from", backup, "--replace")).toContain("ENOTDIR");
  for (const words of [["up"], ["backup", "--to", join(elsewhere, "half")]]) {
    expect(await refused(...words)).toContain(
      `is half restored; end it with: skerry restore --from ${backup}`,
    );
  }
  await rm(keys);
  await rename(join(elsewhere, "auth"), keys);
  const told = await done("restore", "--from", backup, "--replace");
  expect(told).toContain("restored the databases auth, events, audit");
  expect(told).toMatch(/ended [1-9]\d* sessions/);
  expect(told).toMatch(/the audit log is sound; entry \d+ tells of this restore/);
  expect(parts().filter((name) => name.includes("restoring"))).toEqual([]);
  expect(await namesIn("public")).toEqual(["admin", "alice"]);
  expect(await namesIn((await setAside())[0]!)).toEqual(["admin", "alice", "bob"]);
});

test("after it users and keys work, sessions of before do not, and the audit log goes on", async () => {
  await cloud.start();
  expect(await bodyOf("a")).toBe("value");
  expect(await statusOf(token)).toBe(401);
  expect(await statusOf(await signIn())).toBe(200);
  expect(await done("audit", "verify")).toContain("sound");
  expect(await done("audit", "list", "--action", "audit:Restored")).toContain("audit:Restored");
  // Users were made during the backup: the log may tell of more than there are, not of fewer.
  const made = (await allNamesIn("public")).filter(isBusy);
  expect(made.length).toBeGreaterThan(0);
  expect((await usersToldOf()) - toldBefore).toBeGreaterThanOrEqual(made.length);
});

test("a machine that has the chunks alone becomes the cloud again", async () => {
  await cloud.stop();
  const chunks = readdirSync(cloud.directory).filter((name) => name.startsWith("chunkd-"));
  for (const name of chunks) await rename(join(cloud.directory, name), join(elsewhere, name));
  await rm(cloud.directory, { recursive: true });
  const auth = ["--auth-database-url", `${server.url}/people`];
  await done("restore", "--from", backup, "--replace", ...auth);
  for (const name of [
    "cluster.json",
    "auth/kek",
    "credentials.json",
    "tls/ca.pem",
    "postgres",
    "masterd",
    "tls",
  ]) {
    expect([name, statSync(join(cloud.directory, name)).mode & 0o077]).toEqual([name, 0]);
  }
  expect(existsSync(join(cloud.directory, "first-start.json"))).toBe(false);
  for (const name of chunks) await rename(join(elsewhere, name), join(cloud.directory, name));
  await cloud.start();
  expect(await bodyOf("a")).toBe("value");
  expect(await statusOf(await signIn())).toBe(200);
  expect(await done("audit", "verify")).toContain("sound");
});
