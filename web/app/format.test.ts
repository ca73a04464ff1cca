import { expect, test } from "bun:test";
import { compareKeys, formatBytes, formatPlural, formatRelative, visibleName } from "./format.ts";

test("sizes keep three digits and never print a four-digit value", () => {
  expect([0, 1023, 1024, 10_240, 1_048_575, 5_368_709_120].map(formatBytes)).toEqual([
    "0 B",
    "1023 B",
    "1.00 KiB",
    "10.0 KiB",
    "1.00 MiB",
    "5.00 GiB",
  ]);
});

test("ages are told in the largest whole unit", () => {
  const now = 1_800_000_000_000;
  expect(formatRelative(now - 10_000, now)).toBe("just now");
  expect(formatRelative(now - 61_000, now)).toBe("1 minute ago");
  expect(formatRelative(now - 7_200_000, now)).toBe("2 hours ago");
  expect(formatRelative(now - 90_000_000, now)).toBe("yesterday");
});

test("what is ahead is told in the nearest unit, not in one less", () => {
  const now = 1_800_000_000_000;
  const day = 86_400_000;
  expect(formatRelative(now + 7 * day - 5_000, now)).toBe("in 7 days");
  expect(formatRelative(now + 59_000 + 60_000, now)).toBe("in 2 minutes");
  expect(formatRelative(now + day, now)).toBe("tomorrow");
});

test("counts agree with their noun", () => {
  expect(formatPlural(1, "object")).toBe("1 object");
  expect(formatPlural(1200, "object")).toBe("1,200 objects");
});

test("control and bidi characters of a name are made visible", () => {
  expect(visibleName("a\nb\u202egpj.exe")).toBe("a‹LF›b‹U+202E›gpj.exe");
  expect(visibleName("обычный файл.txt")).toBe("обычный файл.txt");
});

test("keys order by UTF-8 bytes, also where UTF-16 order differs", () => {
  const keys = ["b", "a", "aa", "\u{1f600}", "\uffee", "é"];
  const expected = [...keys].sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
  expect([...keys].sort(compareKeys)).toEqual(expected);
});
