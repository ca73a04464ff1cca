import { expect, test } from "bun:test";
import { Histogram } from "./histogram.ts";
import { ratioLine, ratiosOf } from "./ratios.ts";
import type { CaseResult } from "./report.ts";

const MACHINE = { loopbackMBps: 1000, diskWriteMBps: 600, durableAppendsPerSecond: 2000, md5MBps: 500 };

function result(op: CaseResult["op"], size: number | undefined, operations: number): CaseResult {
  const kind = { kind: op, operations, bytes: operations * (size ?? 0), latency: new Histogram() };
  return { op, size, seconds: 2, errors: {}, clientCpu: 0.1, kinds: [kind] };
}

test("small writes are held against two syncs, reads against a bare server", () => {
  const bare = new Map([[4096, [{ server: "node" as const, getsPerSecond: 8000 }]]]);
  const ratios = ratiosOf([result("put", 4096, 6000), result("get", 4096, 6000)], MACHINE, bare);
  expect(
    ratios.map(({ name, measured, against, ratio, goal }) => [name, measured, against, ratio, goal]),
  ).toEqual([
    ["4KiB durable PUT", 3000, 1000, 3, 3],
    ["4KiB GET", 3000, 8000, 0.375, 0.5],
  ]);
  expect(ratioLine(ratios[0]!)).toContain("3,000/s is 3.00 of 1,000/s");
  expect(ratioLine(ratios[0]!)).toEndWith("goal 3, reached");
  expect(ratioLine(ratios[1]!)).toEndWith("goal 0.5, missed");
});

test("large writes are held against whichever is less of the disk's share and MD5, and it is named", () => {
  const [disk] = ratiosOf([result("put", 1 << 30, 1)], MACHINE, new Map());
  expect([disk!.against, disk!.meaning]).toEqual([200, expect.stringContaining("the disk")]);
  const [md5] = ratiosOf([result("put", 1 << 30, 1)], { ...MACHINE, diskWriteMBps: 3000 }, new Map());
  expect([md5!.against, md5!.meaning]).toEqual([500, expect.stringContaining("MD5")]);
});

test("what has no yardstick has no ratio", () => {
  expect(
    ratiosOf(
      [result("list", undefined, 5), result("mixed", 4096, 5), result("put", 1 << 20, 5)],
      MACHINE,
      new Map(),
    ),
  ).toEqual([]);
});
