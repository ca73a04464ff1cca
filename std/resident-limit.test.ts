import { expect, test } from "bun:test";
import type { Clock } from "./clock.ts";
import { ResidentLimit } from "./resident-limit.ts";

/** A process of `resident` bytes, of which a collection leaves `live`. */
function growing(limit: number) {
  let due: (() => void) | undefined;
  const clock: Clock = {
    now: () => 0,
    monotonic: () => 0,
    after: (_ms, run) => {
      due = run;
      return { cancel: () => (due = undefined) };
    },
  };
  const state = { resident: 0, live: 0, collections: 0 };
  const collect = (): void => {
    state.collections++;
    state.resident = state.live;
  };
  const watch = new ResidentLimit({ clock, resident: () => state.resident, collect }, limit);
  return { state, watch, look: () => due?.() };
}

test("garbage above the limit is collected, below it is left alone", () => {
  const { state, look, watch } = growing(200 << 20);
  state.resident = 199 << 20;
  look();
  expect(state.collections).toBe(0);
  state.resident = 230 << 20;
  look();
  expect(state.collections).toBe(1);
  watch.stop();
  state.resident = 400 << 20;
  look();
  expect(state.collections).toBe(1);
});

test("memory that is in use is not collected again and again", () => {
  const { state, look } = growing(200 << 20);
  state.live = 300 << 20;
  state.resident = 310 << 20;
  for (let i = 0; i < 50; i++) look();
  expect(state.collections).toBe(1);
  state.resident = 330 << 20;
  look();
  expect(state.collections).toBe(2);
});
