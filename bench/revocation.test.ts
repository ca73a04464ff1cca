import { expect, test } from "bun:test";
import { runBench } from "./testing/run-bench.ts";

test("bench revocation ends each kind of access at each of two processes, and finds it refused at every place of both", async () => {
  const { code, stdout, stderr } = await runBench("revocation", "--smoke", "--json");
  expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
  const { trials } = JSON.parse(stdout) as {
    trials: { revocation: string; calledAt: string; refusals: { process: string; refusedMs: number }[] }[];
  };
  const shapes = trials.map(({ calledAt, refusals }) => `${calledAt} ${refusals.length}`);
  const ofKinds = [8, 8, 10, 2, 10, 10].flatMap((places) => [`edge ${places}`, `apis ${places}`]);
  expect(shapes).toEqual(ofKinds);
  const times = trials.flatMap(({ refusals }) => refusals.map(({ refusedMs }) => refusedMs));
  expect(Math.min(...times)).toBeGreaterThan(0);
}, 180_000);
