import { expect, test } from "bun:test";
import { runBench } from "./testing/run-bench.ts";

test("bench chunk runs each case for a moment, and every figure comes out above zero", async () => {
  const { stdout, stderr, code } = await runBench("chunk", "--smoke", "--json");
  expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
  const { benchmark, revision: _, bun, cores: __, loadAverageAtStart: ___, ...cases } = JSON.parse(stdout);
  expect({ benchmark, bun }).toEqual({ benchmark: "chunk", bun: Bun.version });
  expect(Object.keys(cases)).toHaveLength(9);
  for (const values of Object.values(cases) as { rates: number[]; cpuSeconds: number[] }[]) {
    expect(values.rates).toHaveLength(1);
    expect(Math.min(...values.rates, ...values.cpuSeconds)).toBeGreaterThan(0);
  }
  expect(cases.writeSmall.bytesPerSync[0]).toBeGreaterThan(4096);
}, 60_000);

test("bench chunk prints the ratios that are asked for", async () => {
  const { stdout, code } = await runBench("chunk", "--smoke");
  expect(code).toBe(0);
  for (const what of [
    "read / plain stream",
    "write / three plain copies",
    "4 KiB writes / (fdatasyncs / 2)",
  ]) {
    expect(stdout).toMatch(new RegExp(`^${what.replace(/[()/]/g, "\\$&")} +\\d+\\.\\d\\d +goal`, "m"));
  }
}, 60_000);
