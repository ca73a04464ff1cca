import { expect, test } from "bun:test";
import { ManualClock } from "../testing/manual-clock.ts";
import { Ages } from "./ages.ts";

class SettableClock extends ManualClock {
  wallOffset = 0;

  override now(): number {
    return super.now() + this.wallOffset;
  }
}

test("an age is the time since the stamp", () => {
  const clock = new SettableClock();
  const ages = new Ages(clock);
  const at = clock.now();
  clock.advance(999);
  expect(ages.isOlder(at, 1_000)).toBe(false);
  clock.advance(1);
  expect(ages.isOlder(at, 1_000)).toBe(true);
  expect(ages.isOlder(clock.now() + 1, 0)).toBe(true);
});

test("what was stamped before the clock was set back counts from the step", () => {
  const clock = new SettableClock();
  const ages = new Ages(clock);
  clock.advance(60_000);
  const at = clock.now();
  clock.wallOffset -= 3_600_000;
  expect(ages.isOlder(at, 1_000)).toBe(false);
  clock.advance(999);
  expect(ages.isOlder(at, 1_000)).toBe(false);
  clock.advance(1);
  expect(ages.isOlder(at, 1_000)).toBe(true);
  const after = clock.now();
  expect(ages.isOlder(after, 1_000)).toBe(false);
});

test("a stamp in the future of a clock that was set back before the start counts from the start", () => {
  const clock = new SettableClock();
  const at = clock.now();
  clock.wallOffset -= 3_600_000;
  const ages = new Ages(clock);
  clock.advance(999);
  expect(ages.isOlder(at, 1_000)).toBe(false);
  clock.advance(1);
  expect(ages.isOlder(at, 1_000)).toBe(true);
});
