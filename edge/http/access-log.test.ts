import { expect, test } from "bun:test";
import type { Clock } from "../../std/clock.ts";
import { AccessLog, type AccessLogMode, type AccessRecord } from "./access-log.ts";

const CLOCK: Clock = { now: () => 0, monotonic: () => 0, after: () => ({ cancel() {} }) };
const RECORD: AccessRecord = {
  listener: "s3",
  method: "GET",
  host: "localhost",
  target: "/b/k?X-Amz-Signature=abc",
  status: 200,
  bytes: 11,
  ms: 1.26,
  requestId: "0123456789ABCDEF",
  remote: "127.0.0.1",
};

function logged(mode: AccessLogMode, ...records: Partial<AccessRecord>[]): Record<string, unknown>[] {
  const lines: string[] = [];
  const log = new AccessLog(mode, CLOCK, (text) => lines.push(...text.trim().split("\n")));
  for (const record of records) log.add({ ...RECORD, ...record });
  log.flush();
  return lines.map((line) => JSON.parse(line));
}

test("S21: a line has what happened, without secrets", () => {
  expect(logged("all", {})).toEqual([
    {
      ...RECORD,
      target: "/b/k?X-Amz-Signature=REDACTED",
      ms: 1.3,
      time: "1970-01-01T00:00:00.000Z",
      level: "info",
      message: "request",
    },
  ]);
});

test("failures alone are what failed or was slow", () => {
  const lines = logged(
    "failures",
    { status: 200 },
    { status: 404 },
    { status: 503 },
    { status: 200, ms: 9_000 },
  );
  expect(lines.map(({ status, level }) => [status, level])).toEqual([
    [404, "info"],
    [503, "warn"],
    [200, "info"],
  ]);
});

test("nothing is logged where nothing is wanted", () => {
  expect(logged("none", { status: 500 })).toEqual([]);
});

test("lines beyond the limit are counted instead of kept", () => {
  const lines = logged("all", ...Array.from({ length: 10_003 }, () => ({})));
  expect(lines).toHaveLength(10_001);
  expect(lines.at(-1)).toMatchObject({ message: "access log lines dropped", count: 3 });
});
