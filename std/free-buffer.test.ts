import { expect, test } from "bun:test";
import { freeBuffer } from "./free-buffer.ts";

test("a buffer of its own is given back, and is empty from then on", () => {
  const bytes = Buffer.allocUnsafeSlow(1 << 20);
  freeBuffer(bytes);
  expect(bytes.length).toBe(0);
});

test("a part of a larger one, which others may have, is left alone", () => {
  const whole = Buffer.alloc(1 << 20, 7);
  freeBuffer(whole.subarray(0, 512 << 10));
  freeBuffer(whole.subarray(1));
  expect(whole.equals(Buffer.alloc(1 << 20, 7))).toBe(true);
});

test("memory of what is freed is used again before any collection", () => {
  const before = process.memoryUsage.rss();
  for (let n = 0; n < 2_000; n++) freeBuffer(Buffer.allocUnsafeSlow(1 << 20).fill(n));
  expect(process.memoryUsage.rss() - before).toBeLessThan(100 << 20);
});
