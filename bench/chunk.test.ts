import { expect, test } from "bun:test";
import { join } from "node:path";

const SKERRY = join(import.meta.dir, "../skerry");

async function benchChunk(...flags: string[]) {
  const child = Bun.spawn([SKERRY, "bench", "chunk", ...flags], { stdout: "pipe", stderr: "pipe" });
  const [stdout, stderr, code] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
    child.exited,
  ]);
  return { stdout, stderr, code };
}

test("bench chunk runs each case for a moment, and every figure comes out above zero", async () => {
  const { stdout, stderr, code } = await benchChunk("--smoke", "--json");
  expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
  const { benchmark, revision: _, bun, loadAverageAtStart: __, ...cases } = JSON.parse(stdout);
  expect({ benchmark, bun }).toEqual({ benchmark: "chunk", bun: Bun.version });
  expect(Object.keys(cases)).toHaveLength(9);
  for (const values of Object.values(cases) as { rates: number[]; cpuSeconds: number[] }[]) {
    expect(values.rates).toHaveLength(1);
    expect(Math.min(...values.rates, ...values.cpuSeconds)).toBeGreaterThan(0);
  }
  expect(cases.writeSmall.bytesPerSync[0]).toBeGreaterThan(4096);
}, 60_000);

test("bench chunk prints the ratios that are asked for", async () => {
  const { stdout, code } = await benchChunk("--smoke");
  expect(code).toBe(0);
  for (const what of [
    "read / plain stream",
    "write / three plain copies",
    "4 KiB writes / (fdatasyncs / 2)",
  ]) {
    expect(stdout).toMatch(new RegExp(`^${what.replace(/[()/]/g, "\\$&")} +\\d+\\.\\d\\d +goal`, "m"));
  }
}, 60_000);
