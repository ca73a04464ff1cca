// What a machine and the program on it do to each other: clocks, death, stops.
import { expect, test } from "bun:test";
import { join } from "node:path";
import type { ProgramEnvironment } from "./node.ts";
import { World, WorldTimeout } from "./world.ts";

async function machine(seed = 1, options = {}) {
  const world = new World(seed);
  const node = world.node("n", options);
  const start = (): Promise<ProgramEnvironment> =>
    world.run(
      node.start(async (env) => env),
      100,
    );
  return { world, node, start, env: await start() };
}

test("timers come when they are due by the machine's own clock, a little late, and not once cancelled", async () => {
  const { world, env } = await machine(1, { driftPpm: 100_000 });
  const since = { world: world.time, monotonic: env.clock.monotonic(), wall: env.clock.now() };
  const fired: number[] = [];
  env.clock.after(1_100, () => fired.push(world.time - since.world));
  env.clock.after(500, () => fired.push(-1)).cancel();
  await world.pass(2_000);
  expect(fired.length).toBe(1);
  expect(fired[0]).toBeGreaterThanOrEqual(999);
  expect(fired[0]).toBeLessThan(1_002);
  expect(env.clock.monotonic() - since.monotonic).toBeCloseTo(2_200, 0);
  expect(Math.abs(env.clock.now() - since.wall - 2_200)).toBeLessThanOrEqual(1);
});

test("a jump moves the wall clock alone; a new drift keeps both where they are", async () => {
  const { world, node, env } = await machine(1, { skewMs: 5_000 });
  const before = { monotonic: env.clock.monotonic(), wall: env.clock.now() };
  expect(before.wall - Date.UTC(2026, 0, 1)).toBeGreaterThanOrEqual(5_000);
  node.clock.jump(-86_400_000);
  expect(env.clock.now()).toBe(before.wall - 86_400_000);
  node.clock.setDrift(-500_000);
  expect(env.clock.monotonic()).toBe(before.monotonic);
  await world.pass(1_000);
  expect(env.clock.monotonic() - before.monotonic).toBeCloseTo(500, 3);
});

test("a program that is dead does nothing more, whatever it waited for", async () => {
  for (const end of ["crash", "powerLoss"] as const) {
    const { world, node, env, start } = await machine(2);
    const acts: string[] = [];
    env.clock.after(10, () => acts.push("timer"));
    void env.disk.mkdir("/data/x").then(() => acts.push("disk"));
    void env.net
      .listen("n:1", () => {
        throw new Error("nobody connects");
      })
      .then(() => acts.push("listening"));
    node[end]();
    env.clock.after(10, () => acts.push("late timer"));
    void env.disk.list("/data").then(() => acts.push("late disk"));
    const caught = env.net.connect("n:1", { onData() {}, onDrain() {}, onClose() {} });
    caught.then(
      () => acts.push("late connect"),
      () => acts.push("late refusal"),
    );
    env.log.error("late word");
    const next = await start();
    await world.run(next.disk.list("/data"), 100);
    await world.pass(10_000);
    expect(acts.filter((act) => act !== "listening")).toEqual([]);
  }
});

test("a stopped program's events wait and come in their order; its clock goes on", async () => {
  const { world, node, env } = await machine(3);
  const seen: [string, number][] = [];
  for (const ms of [10, 20, 30]) env.clock.after(ms, () => seen.push([`timer ${ms}`, world.time]));
  void env.disk.list("/data").then(() => seen.push(["disk", world.time]));
  node.pause();
  const monotonic = env.clock.monotonic();
  await world.pass(5_000);
  expect(seen).toEqual([]);
  const resumedAt = world.time;
  node.resume();
  await world.pass(100);
  expect(seen.map(([name]) => name)).toEqual(["disk", "timer 10", "timer 20", "timer 30"]);
  for (const [, at] of seen) expect(at - resumedAt).toBeLessThan(1);
  expect(env.clock.monotonic() - monotonic).toBeGreaterThan(5_000);
});

test("one program at a time; a restart runs the last one again, in a new life with other random numbers", async () => {
  const { world, node } = await machine(4);
  expect(() => node.start(async () => {})).toThrow("runs a program already");
  node.crash();
  const draws: number[] = [];
  await world.run(
    node.start(async (env) => void draws.push(env.random.uint32())),
    100,
  );
  node.powerLoss();
  expect(node.isUp).toBe(false);
  await world.run(node.restart(), 100);
  expect(node.isUp).toBe(true);
  expect(new Set(draws).size).toBe(2);
});

test("waiting in vain ends the run", async () => {
  const { world } = await machine(5);
  await expect(world.run(new Promise(() => {}), 1_000)).rejects.toThrow(WorldTimeout);
  await expect(world.run(() => false, 1_000)).rejects.toThrow("nothing more can happen");
  expect(
    await world.run(
      Promise.reject(new Error("its own")).catch((error) => error.message),
      10,
    ),
  ).toBe("its own");
});

test("an error that nobody catches ends the run as it would end the process", async () => {
  const script = join(import.meta.dir, "testing/escaping-error.ts");
  const child = Bun.spawn([process.execPath, script], { stdout: "pipe", stderr: "pipe" });
  expect(await new Response(child.stdout).text()).toBe("ended by: escaped\n");
  expect(await child.exited).toBe(0);
});
