import { expect, test } from "bun:test";
import { ANY_TEXT, ANY_UNIT, Glob, type GlobToken, type Text } from "./glob.ts";
import { seededRandom } from "./testing/seeded-random.ts";

function globOf(pattern: string): Glob {
  return new Glob(tokens(pattern));
}

function tokens(pattern: string): GlobToken[] {
  return [...pattern].map((unit) => (unit === "*" ? ANY_TEXT : unit === "?" ? ANY_UNIT : unit));
}

/** The definition itself, in time and memory that nobody would accept. */
function matchesByDefinition(pattern: string, text: string): boolean {
  let reached = new Set([0]);
  for (const unit of pattern) {
    const next = new Set<number>();
    for (const at of reached) {
      if (unit === "*") for (let to = at; to <= text.length; to++) next.add(to);
      else if (at < text.length && (unit === "?" || unit === text[at])) next.add(at + 1);
    }
    reached = next;
  }
  return reached.has(text.length);
}

class CountedText implements Text {
  reads = 0;
  constructor(private readonly text: string) {}
  get length(): number {
    return this.text.length;
  }
  charCodeAt(at: number): number {
    this.reads++;
    return this.text.charCodeAt(at);
  }
}

test.each([
  ["", "", true],
  ["", "a", false],
  ["*", "", true],
  ["**", "anything", true],
  ["a*", "a", true],
  ["*a", "ba", true],
  ["*a", "ab", false],
  ["a*a", "a", false],
  ["a*a", "aa", true],
  ["ab*ba", "aba", false],
  ["a*b*c", "a-b-b-c", true],
  ["a*b*c", "a-c-b", false],
  ["a?c", "abc", true],
  ["a?c", "ac", false],
  ["*?*", "", false],
  ["*b?d*", "abxbcde", true],
  ["arn:aws:s3:::photos/*", "arn:aws:s3:::photos/2024/a.jpg", true],
  ["arn:aws:s3:::photos/*", "arn:aws:s3:::photos", false],
  [`*${"x".repeat(31)}y*`, `${"x".repeat(40)}y`, true],
  [`*${"x".repeat(64)}*`, "x".repeat(63), false],
  [`*${"x".repeat(30)}?z*`, `${"x".repeat(50)}yz`, true],
  [`*?${"x".repeat(31)}*`, "x".repeat(32), true],
  [`*?${"x".repeat(31)}*`, "x".repeat(31), false],
  ["*aab*", "aaaab", true],
  ["*abab?*", "ababab", true],
])("%p against %p is %p", (pattern, text, expected) => {
  expect(globOf(pattern).matches(text)).toBe(expected);
});

test("random patterns match what the definition says", () => {
  const random = seededRandom(1);
  const word = (units: string, lengthMax: number): string =>
    Array.from({ length: random.below(lengthMax + 1) }, () => random.of([...units])).join("");
  let matched = 0;
  for (let round = 0; round < 20_000; round++) {
    const pattern = word("ab**?", 9);
    const text = word("ab", 12);
    const expected = matchesByDefinition(pattern, text);
    if (globOf(pattern).matches(text) !== expected)
      throw new Error(`${pattern} against ${text}: ${!expected}`);
    if (expected) matched++;
  }
  expect(matched).toBeGreaterThan(2000);
});

test("random parts of all lengths match what the definition says", () => {
  const random = seededRandom(2);
  for (let round = 0; round < 300; round++) {
    const wild = random.chance(0.5);
    const length = wild ? 2 + random.below(31) : 2 + random.below(100);
    const part = Array.from({ length }, () => random.of(wild ? ["a", "b", "?"] : ["a", "a", "b"])).join("");
    const filled = part.replaceAll("?", () => random.of(["a", "b"]));
    const around = "ab".repeat(random.below(20));
    for (const text of [around + filled + around, around + filled.slice(1) + around]) {
      const pattern = `*${part}*`;
      expect(globOf(pattern).matches(text)).toBe(matchesByDefinition(pattern, text));
    }
  }
});

const LONG = "a".repeat(10_000);

test.each([
  ["*a*a*a*a*b", LONG],
  ["*a*a*a*a*b*", LONG],
  [`${"*a".repeat(500)}*b*`, LONG],
  [`*${"a".repeat(1000)}b*`, LONG],
  [`*${"a?".repeat(15)}b*`, LONG],
  [`${"*?a?".repeat(300)}*b*`, LONG],
  [`*${"ab".repeat(500)}b*`, "ab".repeat(5000)],
  [`${"a*".repeat(50)}b*`, `${LONG}c`],
])("a hostile pattern reads each unit of the text no more than twice: %#", (pattern, text) => {
  const counted = new CountedText(text);
  expect(globOf(pattern).matches(counted)).toBe(false);
  // Once as part of the ends, once in the search between them.
  expect(counted.reads).toBeLessThanOrEqual(2 * text.length);
});
