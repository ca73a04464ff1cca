// The command against the real events API, on a real PostgreSQL, over an admin socket.
import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Hono } from "hono";
import { OPERATOR } from "../../apis/audit/entry.ts";
import { AuditBench } from "../../apis/audit/test-audit.ts";
import { createEventsApp } from "../../apis/events/app.ts";
import { type OpenBus, openBus } from "../../apis/events/open-bus.ts";
import { BUS_MIGRATION, Outbox } from "../../std/bus/outbox.ts";
import { delay, systemClock } from "../../std/clock.ts";
import { type Database, openDatabase } from "../../std/db/database.ts";
import { migrate } from "../../std/db/migrate.ts";
import { silentLog } from "../../std/log.ts";
import { systemRandom } from "../../std/random.ts";
import { DataDirectory } from "../data-directory.ts";
import { runCaptured, startCaptured } from "../testing/run-captured.ts";

// A real PostgreSQL on a loaded machine.
setDefaultTimeout(60_000);

const ENVIRONMENT = { clock: systemClock, random: systemRandom, log: silentLog };
const RETRY = { firstMs: 1, maxMs: 1, attemptsMax: 2 };

const directory = mkdtempSync(join(tmpdir(), "skerry-events-"));
let bench: AuditBench;
let sql: Database;
let open: OpenBus;
let socket: Bun.Server<undefined>;
/** Of the consumer "fussy", which cannot bear "bad". */
let broken = true;
const handled: unknown[] = [];

beforeAll(async () => {
  bench = await AuditBench.start();
  const { audit } = await bench.open();
  sql = await openDatabase(bench.server.url, "service", { log: silentLog });
  await migrate(sql, [BUS_MIGRATION], silentLog);
  open = await openBus(ENVIRONMENT, { databaseUrl: bench.server.url });
  await open.bus.relay(sql);
  open.bus.consume({
    name: "fussy",
    subjects: ["test.>"],
    retry: RETRY,
    handler: ({ data }) => {
      if (data === "bad" && broken) throw new Error("it is bad");
      handled.push(data);
    },
  });
  const app = createEventsApp({
    bus: open.bus,
    audit,
    decide: async () => ({ allowed: true, actor: OPERATOR }),
    clock: systemClock,
    log: silentLog,
  });
  const mounted = new Hono().route("/events", app);
  const data = new DataDirectory(directory);
  await data.prepare();
  writeFileSync(join(directory, "layout.json"), "{}");
  socket = Bun.serve({ unix: data.adminSocket, fetch: (request) => mounted.fetch(request, {}) });
});

afterAll(async () => {
  await socket.stop(true);
  await open.close();
  await sql.end({ timeout: 1 });
  await bench.stop();
  rmSync(directory, { recursive: true });
});

async function until(condition: () => unknown): Promise<void> {
  while (!(await condition())) await delay(systemClock, 5);
}

async function add(subject: string, data: string): Promise<string> {
  const ids = await sql.begin((transaction) => new Outbox().add(transaction, { subject, data }));
  return ids[0]!;
}

const start = (...argv: string[]) => startCaptured(["events", ...argv, "--data", directory]);
const run = (...argv: string[]) => runCaptured(["events", ...argv, "--data", directory]);

const letters = async (...words: string[]) => JSON.parse((await run("dead", ...words, "--json")).out).letters;

test("tail shows what comes, of the subjects that were asked for", async () => {
  const json = start("tail", "test.*.a", "test.b.>", "--json");
  const pretty = start("tail");
  // A tail has only what comes after it began.
  let serial = 0;
  await until(async () => {
    await add("test.x.a", `try ${++serial}`);
    return json.told.out !== "" && pretty.told.out !== "";
  });
  await add("test.other", "unasked");
  const id = await add("test.b.c", "wanted");
  await until(() => json.told.out.includes("wanted") && pretty.told.out.includes("wanted"));
  const lines = json.told.out
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line));
  expect(lines.map(({ data }) => data)).not.toContain("unasked");
  expect(lines.at(-1)).toEqual({ id, subject: "test.b.c", time: expect.any(Number), data: "wanted" });
  expect(pretty.told.out).toMatch(/^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d {2}test\.b\.c {2}"wanted"$/m);
  expect(pretty.told.out).toContain("unasked");
});

test("dead letters are listed, replayed one or all, and dropped", async () => {
  expect((await run("dead")).out).toBe("there are no dead letters\n");
  const ids: string[] = [];
  for (const name of ["1", "2", "3", "4"]) ids.push(await add(`test.${name}`, "bad"));
  await until(async () => (await letters("fussy")).length === 4);
  const { code, out } = await run("dead");
  expect([code, out.split("\n")[0]]).toEqual([
    0,
    "CONSUMER  EVENT                                 SUBJECT  ATTEMPTS  LAST                 ERROR",
  ]);
  expect(out).toMatch(new RegExp(`^fussy +${ids[0]} +test\\.1 +2 +\\S+ \\S+ +Error: it is bad$`, "m"));
  expect(await run("drop", "fussy", ids[0]!)).toMatchObject({ code: 0, out: `dropped ${ids[0]}\n` });
  broken = false;
  expect(await run("replay", "fussy", ids[1]!)).toMatchObject({ code: 0, out: "replayed 1\n" });
  await until(() => handled.includes("bad"));
  expect(await run("replay", "fussy", "--all")).toMatchObject({ code: 0, out: "replayed 2\n" });
  await until(() => handled.filter((data) => data === "bad").length === 3);
  expect(await letters()).toEqual([]);
});

test("wrong usage is 2, a refusal 1", async () => {
  for (const words of [
    ["replay", "fussy"],
    ["replay"],
    ["replay", "fussy", "x", "--all"],
    ["drop", "fussy"],
    ["drop", "", "x"],
  ]) {
    expect([words, (await run(...words)).code]).toEqual([words, 2]);
  }
  expect((await run("dead", "a", "b")).code).toBe(2);
  for (const words of [
    ["tail", "a..b"],
    ["dead", "No Name"],
  ]) {
    expect([words, (await run(...words)).code]).toEqual([words, 1]);
  }
  const id = "0193f000-0000-7000-8000-000000000000";
  expect((await run("drop", "fussy", id)).err).toContain("has no dead letter");
  expect((await run("replay", "fussy", id)).code).toBe(1);
  expect((await run("tail", "--help")).out).toContain("events tail [SUBJECT...]");
});
