import { afterEach, beforeEach, expect, test } from "bun:test";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fastClock } from "../../chunkd/client/testing/clocks.ts";
import { systemClock } from "../../std/clock.ts";
import { silentLog } from "../../std/log.ts";
import type { RoleSpec } from "./managed-role.ts";
import { Supervisor } from "./supervisor.ts";

const FAKE_ROLE = join(import.meta.dir, "testing/fake-role.ts");

let directory: string;
let journal: string;
let supervisor: Supervisor;
/** Called at each change of a status. */
let watchers: Set<() => void>;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "skerry-supervisor-"));
  journal = join(directory, "journal");
  writeFileSync(journal, "");
  watchers = new Set();
  supervisor = new Supervisor({
    clock: systemClock,
    random: { bytes: (size) => Buffer.alloc(size), float: () => 0 },
    log: silentLog,
    environment: process.env,
    backoff: { firstMs: 1, maxMs: 20, healthyMs: 60_000 },
    onLog: () => {},
    onReady: () => {},
    onChange: () => {
      for (const look of watchers) look();
    },
  });
});

afterEach(async () => {
  supervisor.stopNow();
  await supervisor.stop();
  rmSync(directory, { recursive: true, force: true });
});

function role(name: string, behaviour = "good", times: Partial<RoleSpec> = {}): RoleSpec {
  const command = () => [process.execPath, FAKE_ROLE, name, behaviour, journal];
  return { name, command, readyTimeoutMs: 20_000, stopTimeoutMs: 20_000, ...times };
}

function events(): string[] {
  return readFileSync(journal, "utf8").trim().split("\n");
}

function statusOf(name: string) {
  return supervisor.statuses.find((status) => status.name === name)!;
}

/** Resolves once `holds` does; looked at whenever a status changes. */
function until(holds: () => boolean): Promise<void> {
  return new Promise((resolve) => {
    const look = (): void => {
      if (!holds()) return;
      watchers.delete(look);
      resolve();
    };
    watchers.add(look);
    look();
  });
}

test("groups start one after another and stop in the opposite order", async () => {
  await supervisor.startGroup([role("database"), role("master")]);
  await supervisor.startGroup([role("gateway")]);
  expect(events().indexOf("gateway start")).toBeGreaterThan(events().indexOf("database ready"));
  expect(events().indexOf("gateway start")).toBeGreaterThan(events().indexOf("master ready"));
  await supervisor.stop();
  const stops = events().filter((event) => event.endsWith(" stop"));
  expect(stops[0]).toBe("gateway stop");
  expect(stops.slice(1).sort()).toEqual(["database stop", "master stop"]);
  expect(supervisor.statuses.map(({ state }) => state)).toEqual(["stopped", "stopped", "stopped"]);
});

test("a role that is killed is started again, and counted", async () => {
  await supervisor.startGroup([role("master")]);
  const { pid } = statusOf("master");
  process.kill(pid!, "SIGKILL");
  await until(() => statusOf("master").restarts === 1 && statusOf("master").state === "ready");
  expect(statusOf("master").pid).not.toBe(pid);
  expect(events().filter((event) => event === "master ready")).toHaveLength(2);
});

test("a role that dies again and again is tried again and again", async () => {
  let behaviour = "good";
  const spec = role("master");
  await supervisor.startGroup([
    { ...spec, command: () => [process.execPath, FAKE_ROLE, "master", behaviour, journal] },
  ]);
  behaviour = "broken";
  process.kill(statusOf("master").pid!, "SIGKILL");
  await until(() => statusOf("master").restarts >= 3);
  behaviour = "good";
  await until(() => statusOf("master").state === "ready");
});

test("a first start that fails tells the exit code and what the role said", async () => {
  await expect(supervisor.startGroup([role("master", "broken")])).rejects.toThrow(
    "master could not start: it ended with exit code 3\n  cannot read the configuration",
  );
});

test("a role that others can do without does not keep them from starting, and is tried again", async () => {
  const missing: string[] = [];
  const broken = role("chunkd-2", "broken");
  await supervisor.startGroup([role("chunkd-1"), broken, role("chunkd-3")], 2, (why) => missing.push(why));
  expect(missing).toEqual([
    "chunkd-2 could not start: it ended with exit code 3\n  cannot read the configuration",
  ]);
  expect(statusOf("chunkd-1").state).toBe("ready");
  await until(() => statusOf("chunkd-2").restarts >= 2);
});

test("a role that is refused is not waited for, and is there once it is taken in", async () => {
  const missing: string[] = [];
  const refused = role("chunkd-2", "refused", { readyTimeoutMs: 600_000 });
  await supervisor.startGroup([role("chunkd-1"), refused, role("chunkd-3")], 2, (why) => missing.push(why));
  expect(missing).toEqual(["chunkd-2 is refused: it was removed: take it in again"]);
  expect(statusOf("chunkd-2")).toMatchObject({ state: "refused", restarts: 0 });
  process.kill(statusOf("chunkd-2").pid!, "SIGUSR2");
  await until(() => statusOf("chunkd-2").state === "ready");
  process.kill(statusOf("chunkd-2").pid!, "SIGKILL");
  await until(() => statusOf("chunkd-2").restarts === 1 && statusOf("chunkd-2").state === "refused");
});

test("too few that can start are none", async () => {
  const broken = [role("chunkd-1", "broken"), role("chunkd-2", "broken")];
  await expect(supervisor.startGroup([...broken, role("chunkd-3")], 2)).rejects.toThrow("could not start");
});

test("a role that is not ready in time is killed and its last words are told", async () => {
  const late = role("master", "silent", { readyTimeoutMs: 1_500 });
  await expect(supervisor.startGroup([late])).rejects.toThrow(
    'master could not start: it was not ready within 1.5 s\n  waiting for a disk disk="sda"',
  );
  expect(statusOf("master").pid).toBeUndefined();
});

test("a role that does not stop in time is killed", async () => {
  await supervisor.startGroup([role("master", "stubborn", { stopTimeoutMs: 50 })]);
  await supervisor.stop();
  expect(statusOf("master")).toMatchObject({ state: "stopped", pid: undefined });
});

test("a role that hangs is killed and started again; one that answers is left alone", async () => {
  const hosted = { clock: fastClock(20), environment: process.env, log: silentLog };
  supervisor = new Supervisor({
    ...hosted,
    random: { bytes: (size) => Buffer.alloc(size), float: () => 0 },
    onLog: () => {},
    onReady: () => {},
    onChange: () => {
      for (const look of watchers) look();
    },
  });
  let probes = 0;
  const spec = role("master", "good", { readyTimeoutMs: 400_000, stopTimeoutMs: 400_000 });
  const answered = Promise.withResolvers<void>();
  const probe = () => {
    probes++;
    const { restarts } = statusOf("master");
    if (restarts === 0) return new Promise<void>(() => {});
    if (probes > 8) answered.resolve();
    return Promise.resolve();
  };
  await supervisor.startGroup([{ ...spec, probe }]);
  await until(() => statusOf("master").restarts === 1 && statusOf("master").state === "ready");
  expect(probes).toBeGreaterThanOrEqual(3);
  await answered.promise;
  expect(statusOf("master").restarts).toBe(1);
}, 30_000);

test("stopping at once waits for nobody", async () => {
  await supervisor.startGroup([role("master", "stubborn")]);
  const stopped = supervisor.stop();
  supervisor.stopNow();
  await stopped;
  expect(events()).toEqual(["master start", "master ready"]);
});

test("a stop while a role waits to be started again does not start it", async () => {
  const spec = role("master");
  await supervisor.startGroup([spec]);
  process.kill(statusOf("master").pid!, "SIGKILL");
  await until(() => statusOf("master").state === "waiting");
  await supervisor.stop();
  expect(events().filter((event) => event === "master start")).toHaveLength(1);
});

test("a renewed role ends cleanly and comes back", async () => {
  await supervisor.startGroup([role("gateway")]);
  supervisor.renew("gateway");
  await until(() => statusOf("gateway").restarts === 1 && statusOf("gateway").state === "ready");
  expect(events()).toEqual([
    "gateway start",
    "gateway ready",
    "gateway stop",
    "gateway start",
    "gateway ready",
  ]);
});

test("roles end by themselves when their supervisor is killed", async () => {
  const script = `
    import { RoleProcess } from ${JSON.stringify(join(import.meta.dir, "role-process.ts"))};
    const role = new RoleProcess(${JSON.stringify(role("master").command())}, process.env, () => {});
    await role.ready;
    console.log(role.pid);
    setInterval(() => {}, 1000);`;
  const parent = Bun.spawn([process.execPath, "-e", script], { stdout: "pipe" });
  const reader = parent.stdout.getReader();
  const pid = Number(Buffer.from((await reader.read()).value!).toString());
  parent.kill("SIGKILL");
  while (!events().includes("master orphaned")) await Bun.sleep(5);
  expect(pid).toBeGreaterThan(0);
});
