import { expect, test } from "bun:test";
import { ManualClock } from "../testing/manual-clock.ts";
import { RateLimit } from "./rate-limit.ts";

test("a rate limit lets a burst of two seconds through, then its rate, and has debts paid off first", () => {
  const clock = new ManualClock();
  const limit = new RateLimit(clock, 100);
  limit.take(199);
  expect(limit.open).toBe(true);
  limit.take(301);
  expect(limit.open).toBe(false);
  clock.advance(3_000);
  expect(limit.open).toBe(false);
  clock.advance(11);
  expect(limit.open).toBe(true);
  clock.advance(3_600_000);
  limit.take(200);
  expect(limit.open).toBe(false);
});
