import { describe, expect, test } from "bun:test";
import { firstGood, HedgeAllowance } from "./first-good.ts";
import { ManualClock, turn } from "./testing/clocks.ts";

function race(candidates: string[], mayHedge = () => true) {
  const clock = new ManualClock();
  const abort = new AbortController();
  const asked: string[] = [];
  const answers = new Map(candidates.map((name) => [name, Promise.withResolvers<string>()]));
  const attempt = (name: string) => {
    asked.push(name);
    return answers.get(name)!.promise;
  };
  const outcome = firstGood(candidates, attempt, { clock, hedgeMs: 150, mayHedge, signal: abort.signal });
  return { clock, abort, asked, outcome, answer: (name: string) => answers.get(name)! };
}

describe("first good", () => {
  test("asks one only while it answers in time", async () => {
    const { asked, outcome, answer, clock } = race(["a", "b"]);
    answer("a").resolve("from a");
    expect(await outcome).toEqual({ value: "from a" });
    await clock.advance(1_000);
    expect(asked).toEqual(["a"]);
  });

  test("asks the next when one fails, and reports every failure when none is good", async () => {
    const { asked, outcome, answer } = race(["a", "b"]);
    answer("a").reject(new Error("bad a"));
    await turn();
    expect(asked).toEqual(["a", "b"]);
    answer("b").reject(new Error("bad b"));
    expect(await outcome).toEqual({
      failures: [
        { candidate: "a", error: new Error("bad a") },
        { candidate: "b", error: new Error("bad b") },
      ],
    });
  });

  test("asks another when one is slow, and takes whichever is first", async () => {
    const { asked, outcome, answer, clock } = race(["a", "b", "c"]);
    await clock.advance(149);
    expect(asked).toEqual(["a"]);
    await clock.advance(1);
    expect(asked).toEqual(["a", "b"]);
    answer("b").resolve("from b");
    answer("a").resolve("too late");
    expect(await outcome).toEqual({ value: "from b" });
    await clock.advance(1_000);
    expect(asked).toEqual(["a", "b"]);
  });

  test("waits for a slow one after the others failed", async () => {
    const { outcome, answer, clock } = race(["a", "b"]);
    await clock.advance(150);
    answer("b").reject(new Error("bad b"));
    await turn();
    answer("a").resolve("from a");
    expect(await outcome).toEqual({ value: "from a" });
  });

  test("makes no hedge when it may not", async () => {
    const { asked, clock } = race(["a", "b"], () => false);
    await clock.advance(10_000);
    expect(asked).toEqual(["a"]);
  });

  test("an abort ends it at once and starts no further attempt", async () => {
    const { asked, outcome, abort, answer } = race(["a", "b"]);
    abort.abort();
    expect(await outcome).toBeUndefined();
    answer("a").reject(new Error("bad a"));
    await turn();
    expect(asked).toEqual(["a"]);
  });
});

test("the allowance lets bursts through and then a tenth of the reads", () => {
  const allowance = new HedgeAllowance();
  let spent = 0;
  while (allowance.spend()) spent++;
  expect(spent).toBe(20);
  let hedges = 0;
  for (let reads = 0; reads < 1000; reads++) {
    allowance.earn();
    if (allowance.spend()) hedges++;
  }
  expect(hedges).toBeGreaterThanOrEqual(98);
  expect(hedges).toBeLessThanOrEqual(100);
});
