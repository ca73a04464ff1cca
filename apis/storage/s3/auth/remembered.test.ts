import { expect, test } from "bun:test";
import { Remembered } from "./remembered.ts";

function start(textsMax: number) {
  const made: string[] = [];
  const remembered = new Remembered(textsMax, (text) => {
    made.push(text);
    if (text === "wrong") throw new RangeError(text);
    return { text };
  });
  return { remembered, made };
}

test("the same text is worked out once", () => {
  const { remembered, made } = start(4);
  expect(remembered.of("a")).toBe(remembered.of("a"));
  expect(remembered.of("b")).toEqual({ text: "b" });
  expect(made).toEqual(["a", "b"]);
});

test("neither failures nor long texts are kept, nor more than so many", () => {
  const { remembered, made } = start(2);
  for (let i = 0; i < 2; i++) expect(() => remembered.of("wrong")).toThrow(RangeError);
  const long = "x".repeat(513);
  for (let i = 0; i < 2; i++) expect(remembered.of(long)).toEqual({ text: long });
  expect(made).toHaveLength(4);
  for (const text of ["a", "b", "c", "d", "e"]) {
    remembered.of(text);
    expect(remembered.size).toBeLessThanOrEqual(2);
  }
});
