import { expect, test } from "bun:test";
import { InvariantError } from "../../../std/assert.ts";
import { ReadingBudget } from "./reading-budget.ts";

function body(name: string, log: string[]) {
  return { pause: () => void log.push(`${name} pause`), resume: () => void log.push(`${name} resume`) };
}

test("once it is spent nobody is read, until half of it is given back", () => {
  const log: string[] = [];
  const budget = new ReadingBudget(100);
  const [a, b] = [body("a", log), body("b", log)];
  budget.enter(a);
  budget.enter(b);
  budget.take(a, 60);
  expect(log).toEqual([]);
  budget.take(b, 60);
  expect([budget.spent, budget.held]).toEqual([true, 120]);
  expect(log.splice(0)).toEqual(["a pause", "b pause"]);
  budget.give(60);
  expect([log, budget.spent]).toEqual([[], true]);
  budget.give(10);
  expect(log).toEqual(["a resume", "b resume"]);
});

test("who received least recently is read first, and who comes meanwhile waits", () => {
  const log: string[] = [];
  const budget = new ReadingBudget(100);
  const [a, b, c] = [body("a", log), body("b", log), body("c", log)];
  budget.enter(a);
  budget.enter(b);
  budget.take(a, 100);
  budget.enter(c);
  expect(log.splice(0)).toEqual(["b pause", "a pause", "c pause"]);
  budget.leave(b);
  budget.give(100);
  expect(log).toEqual(["a resume", "c resume"]);
});

test("bytes are given back once", () => {
  const budget = new ReadingBudget(100);
  budget.take(body("a", []), 10);
  budget.give(10);
  expect(() => budget.give(1)).toThrow(InvariantError);
});
