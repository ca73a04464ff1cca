import { expect, test } from "bun:test";
import { ManualClock } from "../testing/manual-clock.ts";
import { PendingCalls } from "./pending-calls.ts";

function calls() {
  const clock = new ManualClock();
  let timers = 0;
  const counted = {
    now: () => clock.now(),
    monotonic: () => clock.monotonic(),
    after(ms: number, run: () => void) {
      timers++;
      return clock.after(ms, run);
    },
  };
  const pending = new PendingCalls(counted, "10.0.0.1:9");
  const outcomes: string[] = [];
  let next = 1;
  const add = (name: string, timeoutMs: number): number => {
    const requestId = next++;
    const resolve = (): void => void outcomes.push(`${name} answered`);
    const reject = (error: Error): void =>
      void outcomes.push(`${name} ${(error as Error & { code: string }).code}`);
    pending.add(requestId, { resolve, reject, timeoutMs, inPieces: false });
    return requestId;
  };
  return { clock, pending, outcomes, add, timers: () => timers };
}

test("each call is given up when its own time is over, whatever came after it", () => {
  const { clock, outcomes, add } = calls();
  add("slow", 300);
  add("quick", 100);
  clock.advance(99);
  add("later", 100);
  expect(outcomes).toEqual([]);
  clock.advance(1);
  expect(outcomes).toEqual(["quick TIMEOUT"]);
  clock.advance(98);
  expect(outcomes).toEqual(["quick TIMEOUT"]);
  clock.advance(1);
  expect(outcomes).toEqual(["quick TIMEOUT", "later TIMEOUT"]);
  clock.advance(101);
  expect(outcomes).toEqual(["quick TIMEOUT", "later TIMEOUT", "slow TIMEOUT"]);
});

test("calls that are answered leave one timer behind, which bothers nobody", () => {
  const { clock, pending, outcomes, add, timers } = calls();
  for (let i = 0; i < 1000; i++) pending.take(add(`call ${i}`, 100))!.resolve({ meta: 0, body: [] });
  expect(timers()).toBe(1);
  expect(pending.size).toBe(0);
  clock.advance(1_000);
  expect(outcomes.filter((outcome) => outcome.endsWith("TIMEOUT"))).toEqual([]);
  add("next", 50);
  clock.advance(50);
  expect(outcomes.at(-1)).toBe("next TIMEOUT");
});

test("what a closed connection owes is rejected once", () => {
  const { clock, pending, outcomes, add } = calls();
  add("a", 10);
  add("b", 20);
  pending.fail(new Error("gone"));
  clock.advance(100);
  expect(outcomes).toEqual(["a DISCONNECTED", "b DISCONNECTED"]);
});
