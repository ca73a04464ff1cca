import { expect, test } from "bun:test";
import { bytes, duration, moment } from "./quantities.ts";
import { table } from "./table.ts";

test("bytes are told in the unit that fits", () => {
  expect([0, 1, 1023, 1024, 1536, 102_400, 5 * 2 ** 30, 2 ** 60].map(bytes)).toEqual([
    "0 B",
    "1 B",
    "1023 B",
    "1.0 KiB",
    "1.5 KiB",
    "100 KiB",
    "5.0 GiB",
    "1024 PiB",
  ]);
});

test("a duration is told in its two largest units", () => {
  expect([-5, 999, 61_000, 3_600_000, 90_061_000].map(duration)).toEqual([
    "0s",
    "0s",
    "1m 1s",
    "1h 0m",
    "1d 1h",
  ]);
});

test("a moment is told in UTC to the minute", () => {
  expect(moment(Date.UTC(2026, 10, 21, 9, 30, 59))).toBe("2026-11-21 09:30");
});

test("columns are as wide as their widest cell", () => {
  expect(table(["A", "BB"], [["xxx", "y"]])).toBe("A    BB\nxxx  y\n");
});
