import { expect, test } from "bun:test";
import { join } from "node:path";

const SKERRY = join(import.meta.dir, "../skerry");

test("bench meta runs each case for a moment and reports a rate above zero for each", async () => {
  const child = Bun.spawn([SKERRY, "bench", "meta", "--smoke", "--json"], { stdout: "pipe", stderr: "pipe" });
  const [stdout, stderr, code] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
    child.exited,
  ]);
  expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
  const rates = [...stdout.matchAll(/"perSecond":\s*([\d.]+)/g)].map(([, rate]) => Number(rate));
  expect(rates.length).toBeGreaterThanOrEqual(6);
  expect(Math.min(...rates)).toBeGreaterThan(0);
}, 60_000);

test("bench meta --objects generates objects, and starts the master again after each kind of end", async () => {
  const command = [SKERRY, "bench", "meta", "--smoke", "--json", "--objects", "1"];
  const child = Bun.spawn(command, { stdout: "pipe", stderr: "pipe" });
  const [stdout, stderr, code] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
    child.exited,
  ]);
  expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
  const { restarts, pages } = JSON.parse(stdout) as {
    restarts: { after: string; ms: number }[];
    pages: { p50: number }[];
  };
  expect(restarts.map(({ after }) => after)).toEqual(["a clean end", "kill -9", "power failure"]);
  expect(Math.min(...restarts.map(({ ms }) => ms), ...pages.map(({ p50 }) => p50))).toBeGreaterThan(0);
}, 120_000);
