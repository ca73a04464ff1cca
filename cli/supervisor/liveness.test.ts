import { afterEach, expect, test } from "bun:test";
import { ManualClock, turn } from "../../chunkd/client/testing/clocks.ts";
import { Liveness, type Probe } from "./liveness.ts";

let liveness: Liveness | undefined;
afterEach(() => liveness?.stop());

const silent: Probe = () => new Promise(() => {});

function watch(probe: Probe) {
  const clock = new ManualClock();
  const seen = { probes: 0, hung: 0 };
  liveness = new Liveness(
    clock,
    (signal) => {
      seen.probes++;
      return probe(signal);
    },
    () => void seen.hung++,
  );
  return { clock, seen, watched: liveness };
}

test("a role that says nothing three times in a row hangs, and that is told once", async () => {
  const { clock, seen } = watch(silent);
  await clock.advance(59_000);
  expect(seen).toEqual({ probes: 3, hung: 0 });
  await clock.advance(1_000);
  expect(seen.hung).toBe(1);
  await clock.advance(120_000);
  expect(seen).toEqual({ probes: 3, hung: 1 });
});

test("an answer in between, or a refusal, begins the count anew", async () => {
  let calls = 0;
  const { clock, seen } = watch((signal) => {
    calls++;
    if (calls % 3 !== 0) return silent(signal);
    return calls % 2 === 0 ? Promise.resolve() : Promise.reject(new Error("ECONNREFUSED"));
  });
  await clock.advance(600_000);
  expect(seen.hung).toBe(0);
  expect(seen.probes).toBeGreaterThan(30);
});

test("time in which the supervisor itself did not run counts against nobody", async () => {
  const { clock, seen } = watch(silent);
  for (let round = 0; round < 10; round++) {
    await clock.advance(45_000);
    clock.skip(3_600_000);
    await turn();
  }
  expect(seen.probes).toBeGreaterThan(15);
  expect(seen.hung).toBe(0);
});

test("nothing is probed once it is stopped, and what is under way is given up", async () => {
  let given: AbortSignal | undefined;
  const { clock, seen, watched } = watch((signal) => {
    given = signal;
    return silent(signal);
  });
  await clock.advance(10_000);
  watched.stop();
  expect(given?.aborted).toBe(true);
  await clock.advance(600_000);
  expect(seen).toEqual({ probes: 1, hung: 0 });
});
