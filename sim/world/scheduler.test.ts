import { expect, test } from "bun:test";
import { EventQueue } from "./event-queue.ts";
import { Scheduler } from "./scheduler.ts";
import { SeededRandom } from "./seeded-random.ts";

test("the queue gives events by time, then tie, then sequence, and passes cancelled ones over", () => {
  const random = new SeededRandom("queue");
  const queue = new EventQueue();
  const model: { time: number; tie: number; sequence: number }[] = [];
  for (let sequence = 0; sequence < 500; sequence++) {
    const event = {
      time: random.int(0, 20),
      tie: random.int(0, 5),
      sequence,
      run() {},
      cancelled: random.chance(0.2),
    };
    queue.push(event);
    if (!event.cancelled) model.push(event);
  }
  model.sort((a, b) => a.time - b.time || a.tie - b.tie || a.sequence - b.sequence);
  const got: number[] = [];
  for (let event = queue.pop(); event; event = queue.pop()) got.push(event.sequence);
  expect(got).toEqual(model.map(({ sequence }) => sequence));
});

test("everything that an event makes ready runs before the next event, in the middle of other async code too", async () => {
  await null;
  const scheduler = new Scheduler(1);
  const order: string[] = [];
  const chain = async (name: string): Promise<void> => {
    for (let i = 0; i < 50; i++) await null;
    process.nextTick(() => order.push(`${name} tick`));
    await new Promise<void>((resolve) => queueMicrotask(resolve));
    async function* counting() {
      yield 1;
      await null;
      yield 2;
    }
    for await (const n of counting()) order.push(`${name} ${n}`);
  };
  scheduler.after(5, () => {
    void chain("first");
    scheduler.atEventEnd(() => {
      order.push("first end");
      void chain("late");
    });
  });
  scheduler.after(5, () => void chain("second"));
  while (scheduler.step(100));
  const whole = (name: string): string[] => ["tick", "1", "2"].map((what) => `${name} ${what}`).sort();
  const groups = order[0]!.startsWith("first")
    ? [...whole("first"), "first end", ...whole("late"), ...whole("second")]
    : [...whole("second"), ...whole("first"), "first end", ...whole("late")];
  expect(order.length).toBe(groups.length);
  let at = 0;
  for (const size of order[0]!.startsWith("first") ? [3, 1, 3, 3] : [3, 3, 1, 3]) {
    expect(order.slice(at, at + size).sort()).toEqual(groups.slice(at, at + size));
    at += size;
  }
});

test("events of one moment come in an order that the seed chooses, always the same for the same seed", () => {
  const orderOf = (seed: number): string => {
    const scheduler = new Scheduler(seed);
    let order = "";
    for (const name of ["a", "b", "c", "d"]) scheduler.at(3, () => (order += name));
    while (scheduler.step(10));
    return order;
  };
  const seeds = Array.from({ length: 50 }, (_, seed) => seed);
  expect(new Set(seeds.map(orderOf)).size).toBeGreaterThan(10);
  expect(seeds.map(orderOf)).toEqual(seeds.map(orderOf));
});

test("time stands where the events are, and goes to the limit when there are none before it", () => {
  const scheduler = new Scheduler(1);
  const times: number[] = [];
  for (const ms of [7, 2, 2.5]) scheduler.after(ms, () => times.push(scheduler.now));
  while (scheduler.step(5));
  expect([times, scheduler.now]).toEqual([[2, 2.5], 5]);
  while (scheduler.step(10));
  expect([times, scheduler.now]).toEqual([[2, 2.5, 7], 10]);
});

test("the trace hash tells apart what differs in kind, time, field or order", () => {
  const hashOf = (run: (scheduler: Scheduler) => void): string => {
    const scheduler = new Scheduler(1);
    run(scheduler);
    return scheduler.trace.hash;
  };
  const runs: ((scheduler: Scheduler) => void)[] = [
    () => {},
    (s) => s.record("a"),
    (s) => s.record("b"),
    (s) => s.record("a", 1),
    (s) => s.record("a", 1.5),
    (s) => s.record("a", "1"),
    (s) => s.record("a", true),
    (s) => s.record("a", undefined),
    (s) => {
      s.record("a", 1);
      s.record("b", 2);
    },
    (s) => {
      s.record("b", 2);
      s.record("a", 1);
    },
    (s) => {
      s.now = 1;
      s.record("a");
    },
  ];
  expect(new Set(runs.map(hashOf)).size).toBe(runs.length);
  expect(runs.map(hashOf)).toEqual(runs.map(hashOf));
});

test("streams of random numbers are independent, and forks do not depend on what was drawn", () => {
  const draw = (random: SeededRandom): number[] => Array.from({ length: 5 }, () => random.uint32());
  const [one, same] = [new SeededRandom("1"), new SeededRandom("1")];
  draw(one);
  expect(draw(one.fork("x"))).toEqual(draw(same.fork("x")));
  expect(draw(one.fork("x"))).not.toEqual(draw(one.fork("y")));
  expect(draw(new SeededRandom("1"))).not.toEqual(draw(new SeededRandom("2")));
  const random = new SeededRandom("uniform");
  const counts = new Array(10).fill(0);
  for (let i = 0; i < 10_000; i++) counts[random.int(0, 9)]++;
  for (const count of counts) expect(Math.abs(count - 1000)).toBeLessThan(150);
});
