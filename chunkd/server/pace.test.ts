import { expect, test } from "bun:test";
import { ManualClock } from "../testing/manual-clock.ts";
import { Pace } from "./pace.ts";

/** Takes `bytes` so often; how many were let through. */
function taker(pace: Pace, times: number, bytes: number) {
  const state = { through: 0 };
  for (let i = 0; i < times; i++) void pace.take(bytes).then(() => state.through++);
  return state;
}

test("lets a burst through at once, and the rest at the rate", async () => {
  const clock = new ManualClock();
  const state = taker(new Pace(clock, 1_000), 20, 100);
  await Bun.sleep(0);
  // A quarter of a second ahead, and the one that crosses it.
  expect(state.through).toBe(3);
  for (const [ms, through] of [
    [100, 4],
    [100, 5],
    [1_000, 15],
  ] as const) {
    clock.advance(ms);
    await Bun.sleep(0);
    expect(state.through).toBe(through);
  }
});

test("closing lets go of all who wait, and limits nothing any more", async () => {
  const pace = new Pace(new ManualClock(), 1);
  const state = taker(pace, 5, 1_000);
  await Bun.sleep(0);
  expect(state.through).toBe(1);
  pace.close();
  await pace.take(1e9);
  await Bun.sleep(0);
  expect(state.through).toBe(5);
});

test("no rate is no limit", async () => {
  const pace = new Pace(new ManualClock(), 0);
  for (let i = 0; i < 100; i++) await pace.take(1e9);
  expect(await pace.take(1)).toBeUndefined();
});
