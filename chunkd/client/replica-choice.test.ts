import { describe, expect, test } from "bun:test";
import type { Replica } from "../protocol/messages.ts";
import { ConnectionPool } from "./pool.ts";
import { type LocationSource, ReplicaChoice } from "./replica-choice.ts";
import { ManualClock } from "./testing/clocks.ts";
import { environment, SECRETS } from "./testing/test-cluster.ts";

const REPLICAS: Replica[] = ["a", "b", "c"].map((id) => ({ id, address: `unix:/nobody/${id}` }));

function start(locate: LocationSource["locate"] = async () => ({ locations: {} })) {
  const clock = new ManualClock();
  const pool = new ConnectionPool(environment(clock), SECRETS, "test");
  const choice = new ReplicaChoice({ 7: REPLICAS }, { locate, reportDamage: async () => null }, pool);
  const order = () => choice.ranked(7).map(({ id }) => id);
  return { clock, pool, choice, order };
}

describe("replica choice", () => {
  test("keeps the master's order among equals", () => {
    const { order } = start();
    expect(order()).toEqual(["a", "b", "c"]);
  });

  test("puts one that cannot be reached behind the others for a while", async () => {
    const { clock, pool, order } = start();
    await pool.call(REPLICAS[0]!.address, 20, null).catch(() => {});
    expect(order()).toEqual(["b", "c", "a"]);
    await clock.advance(5_000);
    expect(order()).toEqual(["a", "b", "c"]);
  });

  test("puts a damaged one last, of its chunk only", async () => {
    const { pool, choice, order } = start();
    choice.markDamaged(7, REPLICAS[0]!);
    choice.markDamaged(8, REPLICAS[1]!);
    await pool.call(REPLICAS[1]!.address, 20, null).catch(() => {});
    expect(order()).toEqual(["c", "b", "a"]);
  });

  test("asks the master once for many that ask together, and keeps what it knows when the answer is empty", async () => {
    let calls = 0;
    const answers: Record<number, Replica[]>[] = [{ 7: [] }, { 7: [REPLICAS[2]!] }];
    const { choice, order } = start(async () => ({ locations: answers[calls++]! }));
    await Promise.all([choice.refresh(7), choice.refresh(7), choice.refresh(7)]);
    expect(calls).toBe(1);
    expect(order()).toEqual(["a", "b", "c"]);
    await choice.refresh(7);
    expect(order()).toEqual(["c"]);
    expect(choice.ranked(9)).toEqual([]);
  });
});
