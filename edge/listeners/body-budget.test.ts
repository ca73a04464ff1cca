import { expect, test } from "bun:test";
import { BodyBudget } from "./body-budget.ts";

const MIB = 1 << 20;

function upload(length: number | undefined): Request {
  const headers = length === undefined ? undefined : { "content-length": String(length) };
  return new Request("https://storage/bucket/key", { method: "PUT", headers, body: new ReadableStream() });
}

test("a large body counts for what is taken in of it, a small one for its length", () => {
  const budget = new BodyBudget(5 * MIB);
  expect(budget.take(upload(2 ** 40))).toBe(2 * MIB);
  expect(budget.take(upload(undefined))).toBe(2 * MIB);
  expect(budget.take(upload(2 * MIB))).toBeUndefined();
  expect(budget.take(upload(MIB))).toBe(MIB);
  expect(budget.take(upload(1))).toBeUndefined();
});

test("what has no body passes where no room is left, and room that is given back is there again", () => {
  const budget = new BodyBudget(2 * MIB);
  const room = budget.take(upload(10 * MIB));
  expect(budget.take(new Request("https://storage/bucket/key"))).toBe(0);
  expect(budget.take(upload(10 * MIB))).toBeUndefined();
  budget.give(room!);
  expect(budget.take(upload(10 * MIB))).toBe(2 * MIB);
});
