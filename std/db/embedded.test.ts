import { afterEach, beforeEach, expect, setDefaultTimeout, test } from "bun:test";
import { mkdir, mkdtemp, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import postgres from "postgres";
import { delay, systemClock } from "../clock.ts";
import { silentLog } from "../log.ts";
import { type EmbeddedPostgres, type EmbeddedPostgresOptions, startEmbeddedPostgres } from "./embedded.ts";
import { EmbeddedPostgresError } from "./embedded-error.ts";
import { candidateIdentities } from "./identity.ts";
import { serverProcesses } from "./leftovers.ts";

// A real PostgreSQL on a loaded machine.
setDefaultTimeout(60_000);

const MODULE = join(import.meta.dir, "embedded.ts");
const RSS_MAX_KIB = 300 << 10;
const isRoot = process.getuid?.() === 0;

let directory: string;
let running: EmbeddedPostgres[];

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "skerry-pg-"));
  running = [];
});

afterEach(async () => {
  for (const server of running) await server.stop();
  await rm(directory, { recursive: true, force: true });
});

async function start(options: Partial<EmbeddedPostgresOptions> = {}): Promise<EmbeddedPostgres> {
  const server = await startEmbeddedPostgres({ directory, log: silentLog, ...options });
  running.push(server);
  return server;
}

async function startProblem(options: Partial<EmbeddedPostgresOptions> = {}): Promise<EmbeddedPostgresError> {
  try {
    await start(options);
  } catch (error) {
    if (error instanceof EmbeddedPostgresError) return error;
    throw error;
  }
  throw new Error("the server started");
}

async function query<Row extends object>(url: string, text: string): Promise<Row[]> {
  const sql = postgres(`${url}/postgres`, { max: 1 });
  try {
    return [...(await sql.unsafe<Row[]>(text))];
  } finally {
    await sql.end();
  }
}

/** A launcher in a process of its own that prints its server's pid. */
async function foreignLauncher(identities: string): Promise<{ kill(): Promise<void>; serverPid: number }> {
  const code = `
    import { startEmbeddedPostgres } from ${JSON.stringify(MODULE)};
    const log = { debug() {}, info() {}, warn() {}, error() {}, with: () => log };
    const server = await startEmbeddedPostgres({ directory: ${JSON.stringify(directory)}, log, ${identities} });
    console.log(server.pid);
    setInterval(() => {}, 60_000);`;
  const child = Bun.spawn([process.execPath, "-e", code], {
    stdin: "ignore",
    stdout: "pipe",
    stderr: "inherit",
  });
  const { value } = await child.stdout.getReader().read();
  return {
    serverPid: Number(new TextDecoder().decode(value)),
    async kill() {
      child.kill("SIGKILL");
      await child.exited;
    },
  };
}

async function allGone(): Promise<void> {
  while ((await serverProcesses(join(directory, "data"))).length > 0) await delay(systemClock, 20);
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

test("S14, E20: a first start makes a durable cluster that only its password opens", async () => {
  const server = await start();
  expect(server.url).toMatch(/^postgres:\/\/postgres:[0-9a-f]{48}@127\.0\.0\.1:\d+$/);
  const settings = await query<{ name: string; setting: string }>(
    server.url,
    "SELECT name, setting FROM pg_settings WHERE name IN ('fsync', 'full_page_writes', 'listen_addresses', 'data_checksums') ORDER BY name",
  );
  expect(settings.map(({ name, setting }) => `${name}=${setting}`)).toEqual([
    "data_checksums=on",
    "fsync=on",
    "full_page_writes=on",
    "listen_addresses=127.0.0.1",
  ]);
  const wrong = server.url.replace(/:[0-9a-f]{48}@/, ":wrong@");
  await expect(query(wrong, "SELECT 1")).rejects.toMatchObject({ code: "28P01" });
  expect((await stat(join(directory, "password"))).mode & 0o777).toBe(0o600);
  expect((await stat(directory)).mode & 0o777).toBe(0o700);
});

test("no process of the server comes near the memory limit", async () => {
  await start();
  const pids = await serverProcesses(join(directory, "data"));
  expect(pids.length).toBeGreaterThan(3);
  for (const pid of pids) {
    const status = await readFile(`/proc/${pid}/status`, "utf8");
    expect(Number(/VmRSS:\s+(\d+) kB/.exec(status)?.[1])).toBeLessThan(RSS_MAX_KIB);
  }
});

test("a restart finds the data again at the same address", async () => {
  const first = await start();
  await query(first.url, "CREATE TABLE kept AS SELECT 42 AS answer");
  await first.stop();
  const second = await start();
  expect(second.url).toBe(first.url);
  expect(await query<{ answer: number }>(second.url, "SELECT answer FROM kept")).toEqual([{ answer: 42 }]);
});

test("after kill -9 of the server every committed row is there at the next start", async () => {
  const first = await start();
  await query(first.url, "CREATE TABLE kept (n integer)");
  for (let n = 0; n < 20; n++) await query(first.url, `INSERT INTO kept VALUES (${n})`);
  process.kill(first.pid, "SIGKILL");
  expect(await first.exited).not.toBe(0);
  const second = await start();
  expect(await query<{ count: number }>(second.url, "SELECT count(*)::int FROM kept")).toEqual([
    { count: 20 },
  ]);
});

test("an interrupted initdb is done again", async () => {
  await mkdir(join(directory, "data.new/base"), { recursive: true });
  await writeFile(join(directory, "data.new/PG_VERSION"), "18\n");
  const server = await start();
  expect(await query<{ one: number }>(server.url, "SELECT 1 AS one")).toEqual([{ one: 1 }]);
});

test("a stale postmaster.pid that names another program's process harms neither", async () => {
  await (await start()).stop();
  const stranger = Bun.spawn(["sleep", "600"]);
  try {
    const port = await readFile(join(directory, "port"), "utf8");
    const lines = [stranger.pid, join(directory, "data"), 1, port.trim(), "", "127.0.0.1", "1 2", "ready"];
    await writeFile(join(directory, "data/postmaster.pid"), `${lines.join("\n")}\n`);
    const server = await start();
    expect(await query<{ one: number }>(server.url, "SELECT 1 AS one")).toEqual([{ one: 1 }]);
    expect(isAlive(stranger.pid)).toBe(true);
  } finally {
    stranger.kill();
  }
});

test("a server dies with its launcher", async () => {
  const launcher = await foreignLauncher("");
  expect(await serverProcesses(join(directory, "data"))).toContain(launcher.serverPid);
  await launcher.kill();
  await allGone();
});

test("a server that outlived its killed launcher is stopped and replaced", async () => {
  const [, withoutDeathSignal] = await candidateIdentities();
  const launcher = await foreignLauncher(`identities: [${JSON.stringify(withoutDeathSignal)}]`);
  await launcher.kill();
  const data = join(directory, "data");
  expect(await serverProcesses(data)).toContain(launcher.serverPid);
  const server = await start();
  expect(await serverProcesses(data)).not.toContain(launcher.serverPid);
  expect(await query<{ one: number }>(server.url, "SELECT 1 AS one")).toEqual([{ one: 1 }]);
});

test("a second launcher of a directory is refused, and may start once the first has stopped", async () => {
  const first = await start();
  expect((await startProblem()).code).toBe("already_running");
  await first.stop();
  await start();
});

test("data of another major version is refused and left alone", async () => {
  await (await start()).stop();
  const version = join(directory, "data/PG_VERSION");
  await writeFile(version, "9\n");
  const problem = await startProblem();
  expect(problem.code).toBe("version_mismatch");
  expect(problem.message).toContain("made by PostgreSQL 9");
  expect(await readFile(version, "utf8")).toBe("9\n");
});

test("a lost password file is reported, not replaced by a password that opens nothing", async () => {
  await (await start()).stop();
  await rm(join(directory, "password"));
  expect((await startProblem()).code).toBe("password_missing");
});

test("a taken port is passed over for another one", async () => {
  const first = await start();
  await first.stop();
  const { port } = new URL(first.url);
  const squatter = Bun.listen({ hostname: "127.0.0.1", port: Number(port), socket: { data() {} } });
  try {
    expect(new URL((await start()).url).port).not.toBe(port);
  } finally {
    squatter.stop(true);
  }
});

test("a server that cannot start tells its last words", async () => {
  await (await start()).stop();
  await writeFile(join(directory, "data/postgresql.auto.conf"), "no_such_setting = 1\n");
  const problem = await startProblem();
  expect(problem.code).toBe("start_failed");
  expect(problem.message).toContain("no_such_setting");
});

test("where one way to drop root is forbidden the next is taken, and with none left each reason is told", async () => {
  const forbidden = { name: "forbidden", prefix: ["false"], uid: 0, gid: 0 };
  await start({ identities: [forbidden, ...(await candidateIdentities())] });
  await running[0]!.stop();
  const problem = await startProblem({ identities: [forbidden] });
  expect(problem.code).toBe("no_identity");
  expect(problem.message).toContain("forbidden (false): cannot run");
});

test.if(isRoot)("a cluster moves between the user namespace and an OS user and keeps its data", async () => {
  const candidates = await candidateIdentities();
  const nobody = candidates.filter(({ name }) => name === "OS user nobody");
  expect(nobody).toHaveLength(1);
  const first = await start();
  await query(first.url, "CREATE TABLE kept AS SELECT 42 AS answer");
  await first.stop();
  const second = await start({ identities: nobody });
  expect((await stat(join(directory, "data"))).uid).toBe(nobody[0]!.uid);
  expect(await query<{ answer: number }>(second.url, "SELECT answer FROM kept")).toEqual([{ answer: 42 }]);
  await second.stop();
  const third = await start();
  expect(await query<{ answer: number }>(third.url, "SELECT answer FROM kept")).toEqual([{ answer: 42 }]);
});
