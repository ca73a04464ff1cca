import { expect, test } from "bun:test";
import { closedLoop } from "./closed-loop.ts";
import { S3RequestError } from "./s3-client.ts";

const never = new AbortController().signal;

test("each worker has one operation in flight, and all of them are counted by kind", async () => {
  const inFlight = new Set<number>();
  let made = 0;
  const result = await closedLoop(
    async (worker) => {
      expect(inFlight.has(worker)).toBe(false);
      inFlight.add(worker);
      await new Promise(setImmediate);
      inFlight.delete(worker);
      made++;
      return { kind: worker === 0 ? "put" : "get", bytes: 10 };
    },
    3,
    0.05,
    never,
  );
  expect(result.kinds.map((kind) => kind.kind).sort()).toEqual(["get", "put"]);
  expect(result.kinds.reduce((sum, kind) => sum + kind.operations, 0)).toBe(made);
  expect(result.kinds.reduce((sum, kind) => sum + kind.bytes, 0)).toBe(made * 10);
  expect(result.kinds[0]!.latency.count).toBe(result.kinds[0]!.operations);
  expect(result.seconds).toBeGreaterThanOrEqual(0.05);
});

test("errors are counted by code and are in no rate", async () => {
  let calls = 0;
  const result = await closedLoop(
    async () => {
      if (calls++ % 2 === 0) throw new S3RequestError(503, "SlowDown", "PUT /b/k");
      return { kind: "put", bytes: 1 };
    },
    1,
    0.1,
    never,
  );
  expect(Object.keys(result.errors)).toEqual(["SlowDown"]);
  expect(result.kinds[0]!.operations + result.errors.SlowDown!).toBe(calls);
});

test("an abort ends the run long before its time", async () => {
  const abort = new AbortController();
  const result = await closedLoop(
    async () => {
      await new Promise(setImmediate);
      abort.abort();
      return { kind: "put", bytes: 1 };
    },
    4,
    3600,
    abort.signal,
  );
  expect(result.seconds).toBeLessThan(10);
  expect(result.kinds[0]!.operations).toBe(4);
});
