import { expect, test } from "bun:test";
import { type Json, readJson } from "./json.ts";
import { DOCUMENT_BYTES_MAX, NESTING_MAX } from "./limits.ts";
import { refusalOf } from "./testing/expect-error.ts";
import { type SeededRandom, seededRandom } from "./testing/seeded-random.ts";

function plain(value: Json): unknown {
  if (Array.isArray(value)) return (value as readonly Json[]).map(plain);
  if (!(value instanceof Map)) return value;
  const object: Record<string, unknown> = Object.create(null);
  for (const [name, member] of value as ReadonlyMap<string, Json>) object[name] = plain(member);
  return object;
}

function randomValue(random: SeededRandom, depth: number): unknown {
  const kind = random.below(depth === 0 ? 4 : 6);
  if (kind === 0) return random.of([0, -1, 1.5, 1e21, -2.5e-7, 123456789]);
  if (kind === 1) return random.of([true, false, null]);
  if (kind < 4)
    return random.of(["", "plain", 'quote"', "back\\slash", "new\nline", "é😀", "\u0001", "{[,:]}"]);
  const size = random.below(4);
  if (kind === 4) return Array.from({ length: size }, () => randomValue(random, depth - 1));
  const names = random.of([
    ["a", "b", "c", ""],
    ["__proto__", "constructor", "é", "x y"],
  ]);
  return Object.fromEntries(names.slice(0, size).map((name) => [name, randomValue(random, depth - 1)]));
}

test("text is read as JSON.parse reads it, with or without spaces", () => {
  const random = seededRandom(3);
  for (let round = 0; round < 2000; round++) {
    const value = randomValue(random, NESTING_MAX - 1);
    const text = JSON.stringify(value, null, random.of([0, 1, "\t"]));
    expect(JSON.stringify(plain(readJson(text)))).toBe(JSON.stringify(value));
    const boxed = [value];
    expect(JSON.stringify(plain(readJson(boxed)))).toBe(JSON.stringify(boxed));
  }
});

test("damaged text is read as JSON.parse reads it, or refused", () => {
  const random = seededRandom(4);
  let refused = 0;
  for (let round = 0; round < 20_000; round++) {
    const text = JSON.stringify(randomValue(random, 3));
    const at = random.below(text.length);
    const damaged =
      text.slice(0, at) +
      random.of(["", '"', "{", "]", ",", "\\", "0", " ", "tru", "\u0000"]) +
      text.slice(at + 1);
    let read: string;
    try {
      read = JSON.stringify(plain(readJson(damaged)));
    } catch {
      refusalOf(() => readJson(damaged));
      refused++;
      continue;
    }
    expect(read).toBe(JSON.stringify(JSON.parse(damaged)));
  }
  expect(refused).toBeGreaterThan(5000);
});

const nested = (levels: number): string => "[".repeat(levels) + "]".repeat(levels);

test.each([
  ['{"a":1,"a":1}', "duplicate_key a"],
  ['{"a":1,"\\u0061":2}', "duplicate_key a"],
  ['{"__proto__":1,"__proto__":2}', "duplicate_key __proto__"],
  ['{"a":[0,{"b c":1,"b c":2}]}', 'duplicate_key a[1]["b c"]'],
  [nested(NESTING_MAX + 1), "too_large policy[0][0][0][0][0][0][0][0]"],
  [`{"a":${'{"b":'.repeat(100_0)}`, "too_large a.b.b.b.b.b.b.b"],
  ["", "malformed_json policy"],
  ["{}{}", "malformed_json policy"],
  ["[1,]", "malformed_json policy"],
  ['{"a":1,}', "malformed_json policy"],
  ["{a:1}", "malformed_json policy"],
  ["01", "malformed_json policy"],
  ["NaN", "malformed_json policy"],
  ['"\n"', "malformed_json policy"],
  ['"\\x"', "malformed_json policy"],
  ['"\\ud800"', "malformed_json policy"],
  [`"${"a".repeat(1000)}`, "malformed_json policy"],
  ["\ufeff{}", "malformed_json policy"],
  [`"${"é".repeat(DOCUMENT_BYTES_MAX / 2)}"`, "too_large policy"],
])("%p is refused: %s", (text, refusal) => {
  expect(refusalOf(() => readJson(text))).toBe(refusal);
});

test("a fault in the text is told with its line and column", () => {
  expect(() => readJson('{\n  "a": 1\n  "b": 2\n}')).toThrow('line 3, column 3: "," or "}" is expected');
});

const cycle: unknown[] = [];
cycle.push(cycle);

test.each([
  [{ a: undefined }, "wrong_type a"],
  [{ a: () => 1 }, "wrong_type a"],
  [{ a: Number.NaN }, "wrong_type a"],
  [{ a: 1n }, "wrong_type a"],
  [{ a: new Date(0) }, "wrong_type a"],
  [new Map(), "wrong_type policy"],
  [undefined, "wrong_type policy"],
  [cycle, "too_large policy[0][0][0][0][0][0][0][0]"],
  [{ a: "x".repeat(DOCUMENT_BYTES_MAX) }, "too_large policy"],
])("a value that no JSON text can be is refused: %#", (value, refusal) => {
  expect(refusalOf(() => readJson(value))).toBe(refusal);
});

test("a document of exactly the size and depth that are allowed is read", () => {
  expect(readJson(`"${"a".repeat(DOCUMENT_BYTES_MAX - 2)}"`)).toBe("a".repeat(DOCUMENT_BYTES_MAX - 2));
  expect(JSON.stringify(plain(readJson(nested(NESTING_MAX))))).toBe(nested(NESTING_MAX));
});
