import { expect, test } from "bun:test";
import { InvariantError } from "../../std/assert.ts";
import { FairSemaphore } from "./fair-semaphore.ts";
import { turn } from "./testing/clocks.ts";

function acquiring(semaphore: FairSemaphore, granted: string[]) {
  return (name: string, bytes: number) => void semaphore.acquire(bytes).then(() => granted.push(name));
}

test("grants in the order of asking: a small request does not overtake a large one", async () => {
  const semaphore = new FairSemaphore(100);
  const granted: string[] = [];
  const acquire = acquiring(semaphore, granted);
  acquire("a", 60);
  acquire("large", 80);
  acquire("small", 1);
  await turn();
  expect(granted).toEqual(["a"]);
  expect(semaphore.waiting).toBe(2);
  semaphore.release(60);
  await turn();
  expect(granted).toEqual(["a", "large", "small"]);
  expect(semaphore.used).toBe(81);
});

test("one release grants as many as now fit, and no more", async () => {
  const semaphore = new FairSemaphore(100);
  const granted: string[] = [];
  const acquire = acquiring(semaphore, granted);
  acquire("all", 100);
  for (const name of ["b", "c", "d"]) acquire(name, 40);
  semaphore.release(100);
  await turn();
  expect(granted).toEqual(["all", "b", "c"]);
});

test("gives no units at once to one who would overtake those that wait", () => {
  const semaphore = new FairSemaphore(100);
  expect(semaphore.tryAcquire(60)).toBe(true);
  expect(semaphore.tryAcquire(41)).toBe(false);
  void semaphore.acquire(50);
  expect(semaphore.tryAcquire(1)).toBe(false);
  semaphore.release(60);
  expect(semaphore.used).toBe(50);
  expect(semaphore.tryAcquire(50)).toBe(true);
});

test("refuses what could never be granted, and a second release", () => {
  const semaphore = new FairSemaphore(100);
  expect(() => semaphore.acquire(101)).toThrow(InvariantError);
  expect(() => semaphore.release(1)).toThrow(InvariantError);
});
