// The command against a real audit API on a real PostgreSQL, over an admin socket.
import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Hono } from "hono";
import { createAuditApp } from "../../apis/audit/app.ts";
import { OPERATOR } from "../../apis/audit/entry.ts";
import type { AuditService } from "../../apis/audit/service.ts";
import { AuditBench, event, eventually } from "../../apis/audit/test-audit.ts";
import type { Database } from "../../std/db/database.ts";
import { silentLog } from "../../std/log.ts";
import { runCommandLine } from "../commands.ts";
import { DataDirectory } from "../data-directory.ts";
import { runCaptured } from "../testing/run-captured.ts";

// A real PostgreSQL on a loaded machine.
setDefaultTimeout(60_000);

const directory = mkdtempSync(join(tmpdir(), "skerry-audit-"));
let bench: AuditBench;
let audit: AuditService;
let sql: Database;
let server: ReturnType<typeof serve>;

/** The admin socket of a data directory. */
function serve(at: string, log: AuditService) {
  writeFileSync(join(at, "layout.json"), "{}");
  const data = new DataDirectory(at);
  const app = createAuditApp({
    audit: log,
    decide: async () => ({ allowed: true, actor: OPERATOR }),
    log: silentLog,
  });
  const mounted = new Hono().route("/audit", app);
  return Bun.serve({ unix: data.adminSocket, fetch: (request) => mounted.fetch(request, {}) });
}

beforeAll(async () => {
  bench = await AuditBench.start();
  ({ audit, sql } = await bench.open());
  await new DataDirectory(directory).prepare();
  server = serve(directory, audit);
  const bob = { kind: "user", id: "u2", name: "bob" } as const;
  await audit.committed(event({ requestId: "a" }));
  await audit.committed(event({ requestId: "b", actor: bob, outcome: "refused", code: "forbidden" }));
  await audit.committed(
    event({ requestId: "c", action: "s3:DeleteBucket", resource: "arn:aws:s3:::photos" }),
  );
});

afterAll(async () => {
  await server.stop(true);
  await bench.stop();
  rmSync(directory, { recursive: true });
});

const run = (...argv: string[]) => runCaptured(["audit", ...argv, "--data", directory]);

const ids = (out: string) =>
  out
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => JSON.parse(line).requestId)
    .join("");

test("the newest entries are shown, oldest first", async () => {
  const { code, out } = await run();
  const lines = out.trimEnd().split("\n");
  expect([code, lines.length]).toEqual([0, 4]);
  expect(lines[0]).toMatch(/^TIME +WHO +ACTION +OUTCOME +RESOURCE +SOURCE +COUNT$/);
  expect(lines[2]).toMatch(
    /^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d +bob +auth:CreateUser +refused: forbidden +arn:\S+ +192.0.2.1 +1$/,
  );
  expect(ids((await run("list", "--json")).out)).toBe("abc");
});

test("entries are chosen by flags", async () => {
  const chosen: [string[], string][] = [
    [["--actor", "bob"], "b"],
    [["--action", "s3:*"], "c"],
    [["--resource", "arn:aws:s3:::ph"], "c"],
    [["--outcome", "refused"], "b"],
    [["--request", "a"], "a"],
    [["--since", "1h"], "abc"],
    [["--until", "1h"], ""],
    [["--until", "2020-01-01"], ""],
    [["--limit", "2"], "bc"],
  ];
  for (const [flags, found] of chosen) {
    expect([flags, ids((await run(...flags, "--json")).out)]).toEqual([flags, found]);
    if (!flags.includes("--limit")) expect(ids((await run("export", ...flags)).out)).toBe(found);
  }
});

test("what makes no sense is wrong usage, or told by the API", async () => {
  for (const flags of [
    ["--since", "soon"],
    ["--limit", "0"],
    ["retention", "0"],
    ["retention", "x"],
    ["verify", "--from", "3"],
  ]) {
    expect([flags, (await run(...flags)).code]).toEqual([flags, 2]);
  }
  const { code, err } = await run("--outcome", "perhaps");
  expect([code, err]).toEqual([1, expect.stringContaining("outcome")]);
  expect((await run("verfy")).err).toContain('did you mean "verify"?');
});

test("--follow shows what comes, until the cloud is gone", async () => {
  const other = mkdtempSync(join(tmpdir(), "skerry-audit-"));
  await new DataDirectory(other).prepare();
  const socket = serve(other, audit);
  let out = "";
  const output = {
    out: (text: string) => {
      out += text;
    },
    err: () => {},
    terminal: false,
  };
  const following = runCommandLine(
    ["audit", "--follow", "--json", "--actor", "carol", "--data", other],
    {},
    output,
  );
  const carol = { kind: "user", id: "u3", name: "carol" } as const;
  for (const requestId of ["d", "e"]) {
    await audit.committed(event({ actor: carol, requestId }));
    await audit.committed(event({ requestId: "x" }));
    await eventually(async () => ids(out).endsWith(requestId));
  }
  expect(ids(out)).toBe("de");
  await socket.stop(true);
  expect(await following).toBe(1);
  rmSync(other, { recursive: true });
});

test("verify tells a position to note, and from there proves what came since", async () => {
  const { code, out } = await run("verify");
  const [, count, position] = /^(\d+) entries are sound, through (\d+:[0-9a-f]{64})\n/.exec(out)!;
  expect([code, Number(count)]).toEqual([0, Number(position!.split(":")[0])]);
  await audit.committed(event());
  expect((await run("verify", "--from", position!)).out).toMatch(/^1 entries are sound/);
  expect(JSON.parse((await run("verify", "--json")).out)).toMatchObject({ sound: true, complete: true });
  const wrong = `${position!.split(":")[0]}:${"0".repeat(64)}`;
  expect(await run("verify", "--from", wrong)).toMatchObject({
    code: 1,
    err: expect.stringContaining("anchor differs"),
  });
});

test("retention is told and set", async () => {
  expect(await run("retention")).toMatchObject({ code: 0, out: "entries are kept for 365 days\n" });
  expect(await run("retention", "30")).toMatchObject({ code: 0, out: "entries are kept for 30 days\n" });
  expect(JSON.parse((await run("retention", "--json")).out)).toEqual({ days: 30 });
});

test("what was made is told by its name, which has no say on the terminal", async () => {
  const resource = "arn:skerry:auth:::group/g";
  const named = async (made: string) => {
    await audit.committed(event({ requestId: "d", resource, details: { made } }));
    return (await run("--resource", resource)).out.trimEnd().split("\n").at(-1)!;
  };
  expect(await named("team")).toContain(` ${resource} (team) `);
  expect(await named("a\u001b[2Jb\u009bc\u202ed")).toContain(` ${resource} (a\\u001b[2Jb%C2%9Bc%E2%80%AEd) `);
});

test("a broken log makes verify fail, and names the entry", async () => {
  await sql.begin(async (transaction) => {
    await transaction`SET LOCAL session_replication_role = replica`;
    await transaction`UPDATE entries SET actor_name = 'eve' WHERE sequence = 2`;
  });
  expect(await run("verify")).toMatchObject({
    code: 1,
    err: expect.stringContaining("broken at entry 2: altered; the 1 entries before it are sound"),
  });
});
