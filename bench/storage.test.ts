import { expect, test } from "bun:test";
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { MemoryS3 } from "./storage/testing/s3-server.ts";
import { runBench } from "./testing/run-bench.ts";

/** Starting the product on a loaded machine takes its time. */
const REAL_TIMEOUT_MS = 180_000;

/** Runs `skerry bench storage ...words` in a scratch directory, which must be empty again when it ended. */
async function bench(...words: string[]) {
  const scratch = mkdtempSync(join(tmpdir(), "skerry-bench-test-"));
  const { code, stdout, stderr } = await runBench("storage", "--scratch", scratch, ...words);
  const left = readdirSync(scratch);
  rmSync(scratch, { recursive: true });
  return { stdout, stderr, code, left };
}

test("against a given endpoint it prints a table, exits 0 and leaves nothing behind", async () => {
  const server = new MemoryS3();
  const { stdout, stderr, code, left } = await bench(
    "--smoke",
    "--endpoint",
    server.url,
    "--access-key",
    "key",
    "--secret-key",
    "secret",
    "--payload",
    "signed",
  );
  expect({ code, left }, stderr).toEqual({ code: 0, left: [] });
  expect(stdout).toContain("payload signed, 2 workers");
  for (const line of [/^machine {3}loopback TCP [\d,.]+ MB\/s/m, /^put +4KiB +[\d,.]+/m, /^list +[\d,.]+/m]) {
    expect(stdout).toMatch(line);
  }
  expect(server.buckets.size).toBe(0);
  await server.stop();
});

test(
  "without an endpoint it measures a Skerry of its own, as JSON with raw values, and removes it",
  async () => {
    const { stdout, stderr, code, left } = await bench("--smoke", "--json", "--ops", "put,get");
    expect({ code, left }, stderr).toEqual({ code: 0, left: [] });
    const { cases, machine, bun, ratios, peakMemory } = JSON.parse(stdout);
    expect(ratios.map(({ name }: { name: string }) => name)).toEqual([
      "4KiB durable PUT",
      "4KiB GET",
      "4KiB GET",
    ]);
    for (const { measured, against, ratio } of ratios) expect(ratio).toBeCloseTo(measured / against, 6);
    expect(peakMemory.map(({ role }: { role: string }) => role)).toContain("chunkd-3");
    expect(bun).toBe(Bun.version);
    expect(machine.loopbackMBps).toBeGreaterThan(0);
    expect(cases.map((one: { op: string; sizeBytes: number }) => [one.op, one.sizeBytes])).toEqual([
      ["put", 4096],
      ["get", 4096],
      ["put", 262_144],
      ["get", 262_144],
    ]);
    for (const { errors, kinds } of cases) {
      expect(errors).toEqual({});
      const samples = kinds[0].latencyBucketsUs.reduce(
        (sum: number, [, count]: [number, number]) => sum + count,
        0,
      );
      expect(samples).toBe(kinds[0].operations);
    }
  },
  REAL_TIMEOUT_MS,
);

test.each([
  [["--sizes", "4KB"], "--sizes"],
  [["--ops", "put,copy"], '"copy" is none of'],
  [["--endpoint", "http://127.0.0.1:1"], "--endpoint needs --access-key"],
  [["--endpoint", "ftp://x", "--access-key", "a", "--secret-key", "b"], "must be http://"],
])("%j is a usage error, before anything is measured", async (words, message) => {
  const { stderr, code } = await bench(...words);
  expect(stderr).toContain(message);
  expect(code).toBe(2);
});
