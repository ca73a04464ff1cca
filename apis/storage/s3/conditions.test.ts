import { expect, test } from "bun:test";
import { evaluateRead, type ReadConditions, rangeApplies, writeCondition } from "./conditions.ts";
import { S3Error } from "./errors.ts";
import { parseHttpDate } from "./http-date.ts";

const MODIFIED = "Fri, 02 Jan 2026 03:04:05 GMT";
const BEFORE = "Fri, 02 Jan 2026 03:04:04 GMT";
const AFTER = "Fri, 02 Jan 2026 03:04:06 GMT";
// The part of a second is not in Last-Modified, so it must not count.
const object = { etag: "abc", modifiedAt: Date.UTC(2026, 0, 2, 3, 4, 5, 678) };

const CASES: [ReadConditions, ReturnType<typeof evaluateRead>][] = [
  [{}, "proceed"],
  [{ ifMatch: '"abc"' }, "proceed"],
  [{ ifMatch: "abc" }, "proceed"],
  [{ ifMatch: "*" }, "proceed"],
  [{ ifMatch: '"x", "abc"' }, "proceed"],
  [{ ifMatch: 'W/"abc"' }, "failed"],
  [{ ifMatch: '"x"' }, "failed"],
  [{ ifNoneMatch: '"abc"' }, "not-modified"],
  [{ ifNoneMatch: 'W/"abc"' }, "not-modified"],
  [{ ifNoneMatch: "*" }, "not-modified"],
  [{ ifNoneMatch: '"x"' }, "proceed"],
  [{ ifModifiedSince: MODIFIED }, "not-modified"],
  [{ ifModifiedSince: AFTER }, "not-modified"],
  [{ ifModifiedSince: BEFORE }, "proceed"],
  [{ ifModifiedSince: "yesterday" }, "proceed"],
  [{ ifUnmodifiedSince: MODIFIED }, "proceed"],
  [{ ifUnmodifiedSince: BEFORE }, "failed"],
  // RFC 9110, 13.2.2: an etag condition overrules the date condition of its kind.
  [{ ifMatch: '"abc"', ifUnmodifiedSince: BEFORE }, "proceed"],
  [{ ifNoneMatch: '"x"', ifModifiedSince: AFTER }, "proceed"],
  [{ ifMatch: '"abc"', ifNoneMatch: '"abc"' }, "not-modified"],
  [{ ifMatch: '"x"', ifNoneMatch: '"abc"' }, "failed"],
];

test.each(CASES)("a read with %p: %s", (conditions, outcome) => {
  expect(evaluateRead(conditions, object)).toBe(outcome);
});

test.each([
  [undefined, true],
  ['"abc"', true],
  ['W/"abc"', false],
  ['"x"', false],
  ["*", false],
  [MODIFIED, true],
  [AFTER, false],
])("If-Range %p lets a range apply: %p", (header, applies) => {
  expect(rangeApplies(header, object)).toBe(applies);
});

test("write conditions come without quotes; weak tags never match", () => {
  expect(writeCondition(undefined, undefined)).toBeUndefined();
  expect(writeCondition('"abc", W/"d"', undefined)).toEqual({ ifMatch: ["abc"] });
  expect(writeCondition("*", undefined)).toEqual({ ifMatch: ["*"] });
  expect(writeCondition(undefined, "*")).toEqual({ ifNoneMatch: ["*"] });
});

test("If-None-Match with an etag on a write is refused, not ignored", () => {
  expect(() => writeCondition(undefined, '"abc"')).toThrow(S3Error);
});

test("dates in all three HTTP formats are one time; a date without zone is none", () => {
  const ms = Date.UTC(1994, 10, 6, 8, 49, 37);
  expect(parseHttpDate("Sun, 06 Nov 1994 08:49:37 GMT")).toBe(ms);
  expect(parseHttpDate("Sunday, 06-Nov-94 08:49:37 GMT")).toBe(ms);
  expect(parseHttpDate("Sun Nov  6 08:49:37 1994")).toBe(ms);
  expect(parseHttpDate("1994-11-06T08:49:37Z")).toBe(ms);
  expect(parseHttpDate("1994-11-06T08:49:37")).toBeUndefined();
  expect(parseHttpDate('"abc"')).toBeUndefined();
});
