import { expect, test } from "bun:test";
import { Histogram } from "./histogram.ts";

test("percentiles are within 0.8 % of the exact ones over five magnitudes", () => {
  const histogram = new Histogram();
  const values = Array.from({ length: 10_000 }, (_, i) => Math.round(10 ** (1 + (i / 10_000) * 5)));
  for (const value of values) histogram.record(value);
  for (const share of [0.01, 0.5, 0.9, 0.99, 0.999]) {
    const exact = values[Math.ceil(share * values.length) - 1]!;
    expect(Math.abs(histogram.percentileUs(share) - exact) / exact).toBeLessThan(0.008);
  }
  expect(histogram.percentileUs(1)).toBe(values.at(-1)!);
});

test("small values are exact, and none is lost over the range", () => {
  const histogram = new Histogram();
  for (const value of [0, 1, 2, 127, 128, 255, 256, 4e9, 9e15]) histogram.record(value);
  expect(histogram.buckets().reduce((sum, [, count]) => sum + count, 0)).toBe(9);
  expect(histogram.buckets().slice(0, 4)).toEqual([
    [0, 1],
    [1, 1],
    [2, 1],
    [127, 1],
  ]);
  expect(histogram.maxUs).toBe(9e15);
});

test("added histograms are as one", () => {
  const both = new Histogram();
  const one = new Histogram();
  for (let i = 0; i < 100; i++) (i % 2 ? both : one).record(i * 1000);
  both.add(one);
  expect(both.count).toBe(100);
  expect(both.meanUs()).toBe(49_500);
  expect(both.percentileUs(0.5) / 49_000).toBeCloseTo(1, 2);
});

test("without samples everything is zero", () => {
  expect([new Histogram().percentileUs(0.99), new Histogram().meanUs(), new Histogram().maxUs]).toEqual([
    0, 0, 0,
  ]);
});
