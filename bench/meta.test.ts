import { expect, test } from "bun:test";
import { runBench } from "./testing/run-bench.ts";

test("bench meta runs each case for a moment and reports a rate above zero for each", async () => {
  const { code, stdout, stderr } = await runBench("meta", "--smoke", "--json");
  expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
  const rates = [...stdout.matchAll(/"perSecond":\s*([\d.]+)/g)].map(([, rate]) => Number(rate));
  expect(rates.length).toBeGreaterThanOrEqual(6);
  expect(Math.min(...rates)).toBeGreaterThan(0);
}, 60_000);

test("bench meta --objects generates objects, and starts the master again after each kind of end", async () => {
  const { code, stdout, stderr } = await runBench("meta", "--smoke", "--json", "--objects", "1");
  expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
  const { restarts, pages } = JSON.parse(stdout) as {
    restarts: { after: string; ms: number }[];
    pages: { p50: number }[];
  };
  expect(restarts.map(({ after }) => after)).toEqual(["a clean end", "kill -9", "power failure"]);
  expect(Math.min(...restarts.map(({ ms }) => ms), ...pages.map(({ p50 }) => p50))).toBeGreaterThan(0);
}, 120_000);
