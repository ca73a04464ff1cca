// The master dies at each single step that it takes on its disk, from its first start on.
import { expect, test } from "bun:test";
import type { Master } from "../../masterd/server/start.ts";
import { loadRoles } from "./roles.ts";
import { World } from "./world.ts";

const BUCKETS = 12;
/** So small that a journal has several segments, and some are dropped. */
const SEGMENT_SIZE_MAX = 400;

const roles = await loadRoles();

/** Resolves with the names that were acknowledged before the end, and whether the step was reached at all. */
async function crashAtStep(step: number, how: "crash" | "powerLoss", seed: number) {
  const world = new World(seed);
  // Too small for the reserve, which would cost most of the time here.
  const node = world.node("m", { disk: { capacityBytes: 32 << 20 } });
  const options = { segmentSizeMax: SEGMENT_SIZE_MAX, spaceMin: 1 << 20 };
  const acknowledged: string[] = [];
  const work = async (master: Master): Promise<void> => {
    for (let i = acknowledged.length; i < BUCKETS; i++) {
      const name = `bucket-${i}`;
      await master.master.createBucket({ name, owner: "o" });
      acknowledged.push(name);
      // So that the catalog commits, and its checkpoints let the journal forget.
      if (i % 3 === 0) await world.delay(600);
    }
  };
  let died = false;
  node.disk.onOperation = (_operation, _path, count) => {
    if (count !== step) return;
    died = true;
    node[how]();
  };
  const running = roles.startMaster(node, options).then(work);
  const end = (): boolean => died || acknowledged.length === BUCKETS;
  running.catch(() => {});
  await world.run(end, 60_000);
  await world.pass(100);
  node.disk.onOperation = () => {};
  if (!died) node[how]();
  await world.pass(100);
  const master = await world.run(roles.startMaster(node, options), 60_000);
  const { buckets } = await world.run(master.master.listBuckets({ max: 100 }), 10_000);
  return { died, acknowledged, kept: buckets.map(({ name }) => name) };
}

test.each(["crash", "powerLoss"] as const)(
  "%s at any step loses nothing that was acknowledged",
  async (how) => {
    let steps = 0;
    for (let step = 0; ; step++) {
      for (const seed of [step, 1_000 + step]) {
        const { died, acknowledged, kept } = await crashAtStep(step, how, seed);
        for (const name of acknowledged) expect(kept).toContain(name);
        // The one that was under way may be there too.
        expect(kept.length).toBeLessThanOrEqual(acknowledged.length + 1);
        if (died) steps++;
      }
      if (steps < 2 * step) break;
    }
    expect(steps).toBeGreaterThan(100);
  },
);

test("a chunkserver starts again after a power failure at any step of its first start", async () => {
  let steps = 0;
  for (let step = 0; ; step++) {
    let died = false;
    for (let seed = 0; seed < 4; seed++) {
      const world = new World(100 * step + seed);
      const node = world.node("c");
      node.disk.onOperation = (_operation, _path, count) => {
        if (count !== step) return;
        died = true;
        node.powerLoss();
      };
      let started = false;
      void roles.startChunkserver(node, {}).then(() => {
        started = true;
      });
      await world.run(() => died || started, 10_000);
      await world.pass(500);
      node.disk.onOperation = () => {};
      if (!died) continue;
      steps++;
      const server = await world.run(roles.startChunkserver(node, {}), 10_000);
      expect(server.id).toBe("c");
    }
    if (!died) break;
  }
  expect(steps).toBeGreaterThan(20);
});
