import { expect, test } from "bun:test";
import { RepairQueue } from "./repair-queue.ts";

test("the queue gives the chunks with the fewest sound replicas first, in the order in which they came", () => {
  const queue = new RepairQueue();
  for (const [handle, sound] of [
    [1, 2],
    [2, 3],
    [3, 1],
    [4, 2],
    [5, 7],
    [6, 1],
  ] as const) {
    queue.put(handle, sound);
  }
  expect([...queue.first(10)]).toEqual([3, 6, 1, 4, 2, 5]);
  expect([...queue.first(3)]).toEqual([3, 6, 1]);
  expect([queue.size, queue.urgent]).toEqual([6, 4]);
});

test("a chunk is queued once, by what was said of it last", () => {
  const queue = new RepairQueue();
  queue.put(1, 2);
  queue.put(2, 2);
  queue.put(1, 0);
  expect([...queue.first(10)]).toEqual([1, 2]);
  queue.delete(1);
  expect([...queue.first(10)]).toEqual([2]);
});
