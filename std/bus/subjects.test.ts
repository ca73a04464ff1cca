import { expect, test } from "bun:test";
import type { BusError } from "./errors.ts";
import { DATA_BYTES_MAX, type Json, parsedEvent, storedEvent } from "./event.ts";
import {
  checkConsumerName,
  checkPatterns,
  checkSubject,
  commonPattern,
  patternsSource,
  SUBJECT_LENGTH_MAX,
  subject,
  subjectParts,
} from "./subjects.ts";

function code(work: () => unknown): string | undefined {
  try {
    work();
  } catch (error) {
    return (error as BusError).code;
  }
  return undefined;
}

test("whatever a part is made of, it stays one token and comes back", () => {
  for (const part of [
    "a.b",
    ">",
    "*",
    " ",
    "a\nb",
    "\0",
    "é",
    "%41",
    "u@x.org",
    "..",
    "😀",
    "'; DROP",
    "A_b-9",
  ]) {
    const made = subject("auth", "user", part, "created");
    expect(made.split(".")).toHaveLength(4);
    expect(made).toMatch(/^[A-Za-z0-9_.%-]+$/);
    expect(subjectParts(made)).toEqual(["auth", "user", part, "created"]);
    expect(new RegExp(patternsSource(["auth.user.*.created"])).test(made)).toBe(true);
  }
  expect(subject("notify", "u@x.org")).toBe("notify.u%40x%2Eorg");
});

test("an empty part, half a character and too long a subject are refused", () => {
  expect(code(() => subject("a", ""))).toBe("bad_subject");
  expect(code(() => subject("a", "\ud800"))).toBe("bad_subject");
  expect(code(() => subject())).toBe("bad_subject");
  expect(subject("a".repeat(SUBJECT_LENGTH_MAX))).toHaveLength(SUBJECT_LENGTH_MAX);
  expect(code(() => subject("a".repeat(SUBJECT_LENGTH_MAX + 1)))).toBe("bad_subject");
});

test("subjects and patterns outside the grammar are refused", () => {
  for (const bad of [
    "",
    ".",
    "a.",
    ".a",
    "a..b",
    "a b",
    "a.*",
    ">",
    "a.é",
    "a\n",
    "a.%4",
    "a.%ff",
    "$JS.x",
  ]) {
    expect({ bad, code: code(() => checkSubject(bad)) }).toEqual({ bad, code: "bad_subject" });
  }
  for (const bad of ["", "a.>.b", ">.a", "a*", "a.*b", "*>", "a. ", "a.(b|c)", "a.%fF"]) {
    expect({ bad, code: code(() => checkPatterns([bad])) }).toEqual({ bad, code: "bad_subject" });
  }
  expect(code(() => checkPatterns([]))).toBe("bad_subject");
  expect(code(() => checkPatterns(Array.from({ length: 33 }, () => "a")))).toBe("bad_subject");
  for (const good of [">", "*", "a.*.c", "a.>", "*.*.>", "a.%FF"]) checkPatterns([good]);
  for (const bad of ["", "a.b", "A", "a-", "-a", "a--b", "a b", "a".repeat(65)]) {
    expect({ bad, code: code(() => checkConsumerName(bad)) }).toEqual({ bad, code: "bad_subject" });
  }
});

test("* is one token, > is one or more, and every other character is itself", () => {
  const matches = (pattern: string, name: string) => new RegExp(patternsSource([pattern])).test(name);
  expect(matches("a.*", "a.b")).toBe(true);
  expect(matches("a.*", "a.b.c")).toBe(false);
  expect(matches("a.*", "a")).toBe(false);
  expect(matches("a.>", "a.b.c")).toBe(true);
  expect(matches("a.>", "a")).toBe(false);
  expect(matches("a.b", "axb")).toBe(false);
  expect(matches("a.b", "a.b.c")).toBe(false);
  expect(matches("a.b", "x.a.b")).toBe(false);
});

test("the common pattern of several matches all that they match", () => {
  expect(commonPattern(["a.*.c"])).toBe("a.*.c");
  expect(commonPattern(["auth.user.>", "auth.session.*.revoked"])).toBe("auth.>");
  expect(commonPattern(["a", "a.b"])).toBe(">");
  expect(commonPattern(["a.b", "a.b"])).toBe("a.>");
  expect(commonPattern(["a.>", "a.>"])).toBe("a.>");
  expect(commonPattern(["a.b", "c.d"])).toBe(">");
});

test("data that is not JSON or too large is refused; what is at the limit passes", () => {
  const make = (data: unknown) => () => storedEvent({ subject: "a", data: data as Json }, 1);
  expect(code(make(undefined))).toBe("bad_data");
  expect(code(make(() => 1))).toBe("bad_data");
  expect(code(make("x".repeat(DATA_BYTES_MAX - 1)))).toBe("bad_data");
  expect(code(make("é".repeat(DATA_BYTES_MAX / 2)))).toBe("bad_data");
  const largest = "x".repeat(DATA_BYTES_MAX - 2);
  expect(parsedEvent(make(largest)()).data).toBe(largest);
});

test("ids of later events sort after those of earlier ones", () => {
  const ids = Array.from({ length: 1_000 }, () => storedEvent({ subject: "a", data: 0 }, 5).id);
  expect(ids.toSorted()).toEqual(ids);
  expect(storedEvent({ subject: "a", data: 0 }, 6).id > ids.at(-1)!).toBe(true);
});
