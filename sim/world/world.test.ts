// Whole clusters: a run is repeated exactly by its seed, and what was acknowledged survives the loss of all power.
import { expect, test } from "bun:test";
import { join } from "node:path";
import { loadRoles } from "./roles.ts";
import { Scenario } from "./testing/scenario.ts";

const SCRIPT = join(import.meta.dir, "testing/run-seed.ts");

interface Result {
  traceHash: string;
  traceEvents: number;
  acknowledged: number;
  wrong: number;
}

async function runInFreshProcess(seed: number): Promise<Result> {
  const child = Bun.spawn([process.execPath, SCRIPT, String(seed)], { stdout: "pipe", stderr: "inherit" });
  const text = await new Response(child.stdout).text();
  expect(await child.exited).toBe(0);
  return JSON.parse(text) as Result;
}

test("two runs of a seed in fresh processes are the same to the last event, and nothing acknowledged is lost", async () => {
  for (const seed of [21, 22]) {
    const [one, other] = await Promise.all([runInFreshProcess(seed), runInFreshProcess(seed)]);
    expect(one).toEqual(other);
    expect(one.wrong).toBe(0);
    expect(one.acknowledged).toBeGreaterThan(100);
  }
}, 60_000);

test("a world does not depend on the worlds that ran before it in the process", async () => {
  const roles = await loadRoles();
  const hashOf = async (seed: number): Promise<string> => {
    const scenario = new Scenario(roles, seed);
    await scenario.startAll();
    const trouble = scenario.trouble(3_000);
    await scenario.load(3_000);
    await scenario.world.run(trouble, 60_000);
    return scenario.world.traceHash;
  };
  const first = await hashOf(1);
  expect(await hashOf(2)).not.toBe(first);
  expect(await hashOf(1)).toBe(first);
});

test("what was acknowledged is read back after all machines lost their power at once", async () => {
  const roles = await loadRoles();
  for (const seed of [31, 32, 33]) {
    const scenario = new Scenario(roles, seed);
    await scenario.startAll();
    await scenario.load(2_000);
    expect(scenario.acknowledged.size).toBeGreaterThan(10);
    await scenario.powerLossOfAll();
    expect(await scenario.wrongKeys()).toEqual([]);
  }
});

test("that test can fail: with disks that answer syncs and do nothing, acknowledged objects are lost", async () => {
  const roles = await loadRoles();
  let damage = 0;
  for (const seed of [31, 32, 33]) {
    const scenario = new Scenario(roles, seed);
    await scenario.startAll();
    for (const node of scenario.chunkservers) node.disk.faults.syncsLie = true;
    await scenario.load(2_000);
    await scenario.powerLossOfAll();
    damage += (await scenario.wrongKeys()).length;
  }
  expect(damage).toBeGreaterThan(0);
});
