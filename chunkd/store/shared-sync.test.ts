import { expect, test } from "bun:test";
import { SharedSync } from "./shared-sync.ts";

test("requests during a run share the one run that begins after it", async () => {
  const runs: PromiseWithResolvers<void>[] = [];
  const sync = new SharedSync(() => {
    const run = Promise.withResolvers<void>();
    runs.push(run);
    return run.promise;
  });
  const first = sync.request();
  const late = [sync.request(), sync.request(), sync.request()];
  expect(runs.length).toBe(1);
  runs[0]!.resolve();
  await first;
  await Promise.resolve();
  expect(runs.length).toBe(2);
  runs[1]!.resolve();
  await Promise.all(late);
  expect(runs.length).toBe(2);
});

test("a failed run fails those that waited for it, and no later one", async () => {
  const outcomes = [Promise.reject(new Error("EIO")), Promise.resolve()];
  const sync = new SharedSync(() => outcomes.shift()!);
  const first = sync.request();
  const second = sync.request();
  await expect(first).rejects.toThrow("EIO");
  await second;
  expect(outcomes.length).toBe(0);
});
