import { expect, test } from "bun:test";
import { contentRange, parseRange } from "./range.ts";

const CASES: [header: string | undefined, size: number, expected: ReturnType<typeof parseRange>][] = [
  [undefined, 10, "whole"],
  ["bytes=0-0", 10, { start: 0, end: 1 }],
  ["bytes=2-", 10, { start: 2, end: 10 }],
  ["bytes=2-99999999999999999999", 10, { start: 2, end: 10 }],
  ["bytes=-3", 10, { start: 7, end: 10 }],
  ["bytes=-30", 10, { start: 0, end: 10 }],
  ["BYTES = 1 - 2", 10, { start: 1, end: 3 }],
  ["bytes=9-9", 10, { start: 9, end: 10 }],
  ["bytes=10-", 10, "unsatisfiable"],
  ["bytes=-0", 10, "unsatisfiable"],
  ["bytes=0-", 0, "unsatisfiable"],
  ["bytes=-5", 0, "unsatisfiable"],
  ["bytes=5-4", 10, "whole"],
  ["bytes=0-1,3-4", 10, "whole"],
  ["bytes=-", 10, "whole"],
  ["bytes=a-b", 10, "whole"],
  ["lines=0-1", 10, "whole"],
];

test.each(CASES)("Range %p of %p bytes is %p", (header, size, expected) => {
  expect(parseRange(header, size)).toEqual(expected);
});

test("a range is written with its last byte", () => {
  expect(contentRange({ start: 2, end: 10 }, 100)).toBe("bytes 2-9/100");
});
