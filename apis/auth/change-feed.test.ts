import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { delay, systemClock } from "../../std/clock.ts";
import { openDatabase } from "../../std/db/database.ts";
import { type EmbeddedPostgres, startEmbeddedPostgres } from "../../std/db/embedded.ts";
import { silentLog } from "../../std/log.ts";
import type { AuthService } from "./service.ts";
import { AuthBench, PASSWORD, refusal, tokenOf } from "./test-auth.ts";

// A real PostgreSQL on a loaded machine.
setDefaultTimeout(60_000);

let bench: AuthBench;
let here: AuthService;
let there: AuthService;
let restarted: EmbeddedPostgres | undefined;

beforeAll(async () => {
  bench = await AuthBench.start();
  here = (await bench.open("shared")).auth;
  there = (await bench.open("shared")).auth;
  await here.ensureAdmin({ name: "root", password: PASSWORD });
});

afterAll(async () => {
  await bench.stop();
  await restarted?.stop();
});

async function until(condition: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await condition())) await delay(systemClock, 5);
}

test("a key made in one process is found in another, and gone there when it is revoked here", async () => {
  const { accessKeyId, secretAccessKey } = await here.createKey("root");
  await until(() => there.find(accessKeyId)?.secretAccessKey === secretAccessKey);
  await here.revokeKey(accessKeyId);
  await until(() => there.find(accessKeyId) === undefined);
});

test("a session begun in one process is valid in another at once", async () => {
  for (let round = 0; round < 5; round++) {
    expect(await there.verify(await tokenOf(here, "root"))).toMatchObject({ name: "root" });
  }
});

test("E08: a session ended in one process ends in another", async () => {
  const token = await tokenOf(here, "root");
  expect(await there.verify(token)).toBeDefined();
  await here.signOut((await here.session(token))!);
  await until(async () => (await there.verify(token)) === undefined);
});

test("a user disabled in one process is out in another", async () => {
  await here.createUser({ name: "mobile", password: PASSWORD });
  const { accessKeyId } = await here.createKey("mobile");
  await until(() => there.find(accessKeyId) !== undefined);
  await here.updateUser("mobile", { disabled: true });
  await until(() => there.find(accessKeyId) === undefined);
});

test("kill -9 of the database: known keys and sessions go on, changes are refused, and all is well after its restart", async () => {
  const kept = await here.createKey("root");
  const missed = await here.createKey("root");
  const token = await tokenOf(here, "root");
  await until(() => there.find(missed.accessKeyId) !== undefined);
  process.kill(bench.server.pid, "SIGKILL");
  await bench.server.exited;
  expect(here.find(kept.accessKeyId)?.secretAccessKey).toBe(kept.secretAccessKey);
  expect(await here.verify(token)).toMatchObject({ name: "root" });
  expect(await refusal(here.createKey("root"))).toBe("unavailable");

  restarted = await startEmbeddedPostgres({ directory: bench.server.directory, log: silentLog });
  expect(restarted.url).toBe(bench.server.url);
  // A change that nobody is told about: only reading everything after the reconnection finds it.
  const quiet = await openDatabase(restarted.url, "shared", { log: silentLog });
  await quiet`DELETE FROM access_keys WHERE access_key_id = ${missed.accessKeyId}`;
  await quiet.end();
  await until(
    () => here.find(missed.accessKeyId) === undefined && there.find(missed.accessKeyId) === undefined,
  );
  const after = await here.createKey("root");
  await until(() => there.find(after.accessKeyId) !== undefined);
  expect(there.find(kept.accessKeyId)).toBeDefined();
});

/** Listening again is to take seconds; only reading everything, once a minute, would bring it too. */
const HEARD_MS_MAX = 20_000;

test("a database that is away for long is listened to again", async () => {
  const server = restarted!;
  process.kill(server.pid, "SIGKILL");
  await server.exited;
  // The driver has given up by then.
  const isStale = (auth: AuthService) => auth.access.freshened() !== undefined;
  await until(() => isStale(here) && isStale(there));
  restarted = await startEmbeddedPostgres({ directory: bench.server.directory, log: silentLog });
  const startedAt = systemClock.monotonic();
  let made = "";
  await until(async () => {
    made = await here.createKey("root").then(
      ({ accessKeyId }) => accessKeyId,
      () => "",
    );
    return made !== "";
  });
  // What was read once after the restart may have had the first; the others it must hear of.
  for (let round = 0; round < 3; round++) {
    await until(() => there.find(made) !== undefined);
    made = (await here.createKey("root")).accessKeyId;
  }
  expect(systemClock.monotonic() - startedAt).toBeLessThan(HEARD_MS_MAX);
});
