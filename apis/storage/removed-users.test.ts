// A user is removed with many objects or buckets, and the APIs' process is killed in the middle of what becomes of them. Real
// PostgreSQL, real master, real process; the objects are empty, so that no chunkserver is needed.
import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connectMaster, type MasterConnection } from "../../masterd/client/client.ts";
import { type Master, startMaster } from "../../masterd/server/start.ts";
import { delay, systemClock } from "../../std/clock.ts";
import { type Database, openDatabase } from "../../std/db/database.ts";
import { startTestServer, type TestServer } from "../../std/db/test-server.ts";
import { systemDisk } from "../../std/disk.ts";
import { jsonLog, silentLog } from "../../std/log.ts";
import { systemNet } from "../../std/net.ts";
import { systemRandom } from "../../std/random.ts";
import { type AuthService, createAuth } from "../auth/service.ts";
import { openBus } from "../events/open-bus.ts";
import { ObjectStore } from "./objects.ts";
import { settleRemovedUsers } from "./removed-users.ts";
import { MemoryChunks } from "./testing/memory-engine.ts";

// A real PostgreSQL on a loaded machine.
setDefaultTimeout(120_000);

const ENVIRONMENT = {
  clock: systemClock,
  disk: systemDisk,
  net: systemNet,
  random: systemRandom,
  log: silentLog,
};
const SECRETS = {
  clusterId: "0f".repeat(16),
  clusterSecret: "c1".repeat(16),
  controlSecret: "c2".repeat(16),
};
const PASSWORD = "correct horse battery";
const COMMAND = join(import.meta.dir, "../../cli/skerry.ts");
const OBJECTS = 12_000;
const BUCKETS = 400;
const AT_ONCE = 200;
const EMPTY = { size: 0, etag: "d41d8cd98f00b204e9800998ecf8427e", extents: [] };
const PLAIN = { headers: {}, metadata: {}, checksums: {} };

let directory: string;
let server: TestServer;
let master: Master;
let client: MasterConnection;
let sql: Database;
let auth: AuthService;

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "skerry-removed-"));
  server = await startTestServer();
  master = await startMaster(ENVIRONMENT, {
    directory: join(directory, "master"),
    listen: "127.0.0.1:0",
    secrets: SECRETS,
  });
  client = connectMaster(ENVIRONMENT, { address: master.address, secrets: SECRETS, id: "test" });
  await Bun.write(join(directory, "cluster.json"), JSON.stringify(SECRETS));
  sql = await openDatabase(server.url, "auth", { log: silentLog });
  auth = await createAuth({
    ...ENVIRONMENT,
    sql,
    kekPath: join(directory, "kek"),
    issuer: "https://skerry.localhost",
  });
  await auth.ensureAdmin({ name: "root", password: PASSWORD });
});

afterAll(async () => {
  await auth.close();
  await sql.end({ timeout: 1 });
  client.close();
  await master.close();
  await server.remove();
  await rm(directory, { recursive: true, force: true });
});

/** The role apis; `done` when it ended. */
function startApis(): Bun.Subprocess {
  const flags = {
    listen: "127.0.0.1:0",
    "s3-listen": "127.0.0.1:0",
    master: master.address,
    cluster: join(directory, "cluster.json"),
    kek: join(directory, "kek"),
  };
  const words = Object.entries(flags).map(([name, value]) => `--${name}=${value}`);
  return Bun.spawn([process.execPath, COMMAND, "apis", ...words], {
    env: { ...process.env, SKERRY_DATABASE_URL: server.url },
    stdin: "ignore",
    stdout: "ignore",
    stderr: "ignore",
  });
}

async function until(condition: () => Promise<boolean> | boolean): Promise<void> {
  while (!(await condition())) await delay(systemClock, 5);
}

async function user(name: string): Promise<string> {
  return (await auth.createUser({ name, password: PASSWORD })).id;
}

async function put(bucket: string, key: string): Promise<void> {
  await client.commitObject({ bucket, key, data: EMPTY, attributes: PLAIN });
}

async function inParallel(count: number, work: (index: number) => Promise<unknown>): Promise<void> {
  for (let from = 0; from < count; from += AT_ONCE) {
    await Promise.all(
      Array.from({ length: Math.min(AT_ONCE, count - from) }, (_, index) => work(from + index)),
    );
  }
}

const owned = async (owner: string) => (await client.listBuckets({ owner, max: 10_000 })).buckets.length;
const objects = async () => (await client.status(null)).objects;

/** Runs the APIs until `halfway`, kills them, looks that `done` is not yet true, and runs them again until it is. */
async function crashing(halfway: () => Promise<boolean>, done: () => Promise<boolean>): Promise<void> {
  const first = startApis();
  await until(halfway);
  first.kill("SIGKILL");
  await first.exited;
  expect(await done()).toBe(false);
  const second = startApis();
  await until(done);
  second.kill("SIGTERM");
  expect(await second.exited).toBe(0);
}

test("objects and buckets of a removed user are all deleted, though the process is killed meanwhile", async () => {
  const [alice, bob] = [await user("alice"), await user("bob")];
  await client.createBucket({ name: "alice-photos", owner: alice });
  await client.createBucket({ name: "alice-empty", owner: alice });
  await client.createBucket({ name: "bob-photos", owner: bob });
  await inParallel(OBJECTS, (index) => put("alice-photos", `key-${index}`));
  await client.createUpload({ bucket: "alice-photos", key: "part", owner: alice, attributes: PLAIN });
  await put("bob-photos", "kept");
  const { accessKeyId } = await auth.createKey("alice");
  await auth.removeUser("alice", "delete");
  expect(auth.find(accessKeyId)).toBeUndefined();
  await crashing(
    async () => (await objects()) <= OBJECTS - 1_000,
    async () => (await owned(alice)) === 0,
  );
  expect([await objects(), await owned(bob)]).toEqual([1, 1]);
  expect((await client.headObject({ bucket: "bob-photos", key: "kept" })).object.key).toBe("kept");
});

test("all buckets of a removed user go to another, with all that is in them, though the process is killed meanwhile", async () => {
  const [carol, dave] = [await user("carol"), await user("dave")];
  await inParallel(BUCKETS, (index) => client.createBucket({ name: `carol-${index}`, owner: carol }));
  await put("carol-7", "kept");
  const [bobs, before] = [await owned(auth.principalNamed("bob").userId), await objects()];
  await auth.removeUser("carol", { newOwner: "dave" });
  await crashing(
    async () => (await owned(dave)) > 0,
    async () => (await owned(carol)) === 0,
  );
  expect(await owned(dave)).toBe(BUCKETS);
  expect([await owned(auth.principalNamed("bob").userId), await objects()]).toEqual([bobs, before]);
});

test("buckets are not given to one who is gone, nor touched where nothing was said", async () => {
  const [erin, frank, gina] = [await user("erin"), await user("frank"), await user("gina")];
  await client.createBucket({ name: "erins", owner: erin });
  await client.createBucket({ name: "ginas", owner: gina });
  await auth.removeUser("erin", { newOwner: "frank" });
  await auth.removeUser("frank");
  await auth.removeUser("gina");
  let told = "";
  const log = jsonLog((line) => {
    told += line;
  });
  const { bus, close } = await openBus({ ...ENVIRONMENT, log }, { databaseUrl: server.url });
  await bus.relay(sql);
  const chunks = new MemoryChunks();
  const store = new ObjectStore({ master: client, writer: chunks, reader: chunks, clock: systemClock });
  settleRemovedUsers(bus, { store, hasUser: (id) => auth.hasUser(id), log });
  await until(() => told.includes("was removed too") && told.includes('"buckets":"ginas"'));
  await close();
  expect([await owned(erin), await owned(frank), await owned(gina)]).toEqual([1, 0, 1]);
});
