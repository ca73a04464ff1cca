import { expect, test } from "bun:test";
import { Backoff } from "./backoff.ts";

const LIMITS = { firstMs: 100, maxMs: 1_000, healthyMs: 30_000 };

function waits(float: number, readyForMs: number[]): number[] {
  const backoff = new Backoff({ bytes: (size) => Buffer.alloc(size), float: () => float }, LIMITS);
  return readyForMs.map((ms) => backoff.next(ms));
}

test("each wait is twice the one before, up to the limit", () => {
  expect(waits(1, [0, 0, 0, 0, 0, 0])).toEqual([100, 200, 400, 800, 1_000, 1_000]);
});

test("jitter takes off up to half", () => {
  expect(waits(0, [0, 0, 0, 0, 0])).toEqual([50, 100, 200, 400, 500]);
});

test("a process that was healthy for long starts over; one that was not does not", () => {
  expect(waits(1, [0, 0, 29_999, 30_000])).toEqual([100, 200, 400, 100]);
});
