import { afterEach, beforeEach, expect, test } from "bun:test";
import { createServer } from "node:net";
import { OPS, VerificationError } from "./cases.ts";
import { type RunOptions, runCases } from "./run.ts";
import { codeOf, S3Client, S3RequestError, type S3Target } from "./s3-client.ts";
import { MemoryS3 } from "./testing/s3-server.ts";

let server: MemoryS3;
beforeEach(() => {
  server = new MemoryS3();
});
afterEach(() => server.stop());

function target(): S3Target {
  return {
    endpoint: { hostname: "127.0.0.1", port: Number(new URL(server.url).port) },
    region: "us-east-1",
    credentials: { accessKeyId: "key", secretAccessKey: "secret" },
    payload: "unsigned",
  };
}

function options(more: Partial<RunOptions> = {}): RunOptions {
  return {
    target: target(),
    bucket: undefined,
    runId: "0123abcd",
    sizes: [1000, 200_000],
    ops: OPS,
    workers: 3,
    seconds: 0.05,
    signal: new AbortController().signal,
    progress: () => {},
    ...more,
  };
}

test("every case gives operations without errors, in the fixed order, and nothing stays on the server", async () => {
  const { results, cleanup } = await runCases(options());
  expect(results.map(({ op, size }) => [op, size])).toEqual([
    ["list", undefined],
    ["put", 1000],
    ["get", 1000],
    ["mixed", 1000],
    ["put", 200_000],
    ["get", 200_000],
    ["mixed", 200_000],
  ]);
  for (const { kinds, errors } of results) {
    expect(errors).toEqual({});
    expect(kinds[0]!.operations).toBeGreaterThan(0);
  }
  expect(cleanup.failures).toEqual({});
  expect(server.buckets.size).toBe(0);
});

test("the mix is 70 % get and 25 % put", async () => {
  const { results } = await runCases(options({ ops: ["mixed"], sizes: [100], seconds: 0.5, workers: 1 }));
  const kinds = new Map(results[0]!.kinds.map((kind) => [kind.kind, kind.operations]));
  const all = [...kinds.values()].reduce((sum, count) => sum + count, 0);
  expect(all).toBeGreaterThan(100);
  expect(kinds.get("get")! / all).toBeCloseTo(0.7, 1);
  expect(kinds.get("put")! / all).toBeCloseTo(0.25, 1);
  expect(kinds.has("delete") && kinds.has("list")).toBe(true);
});

test("in a bucket of somebody else only its own keys are touched", async () => {
  server.buckets.set("theirs", new Map([["precious", new Uint8Array(1)]]));
  await runCases(options({ bucket: "theirs" }));
  expect([...server.buckets.get("theirs")!.keys()]).toEqual(["precious"]);
  const written = server.requests.filter((line) => !line.startsWith("GET /theirs"));
  expect(written.every((line) => line.includes(" /theirs/skerry-bench-0123abcd/"))).toBe(true);
});

test("a server that returns other bytes is not timed, and what was made is deleted", async () => {
  server.corrupt = (bytes) => {
    const flipped = bytes.slice();
    flipped[flipped.length - 1]! ^= 1;
    return flipped;
  };
  expect(runCases(options())).rejects.toBeInstanceOf(VerificationError);
  await runCases(options()).catch(() => {});
  expect(server.buckets.size).toBe(0);
});

test("an interruption ends the run early and leaves nothing behind", async () => {
  const abort = new AbortController();
  const running = runCases(
    options({
      ops: ["put"],
      seconds: 3600,
      signal: abort.signal,
      progress: (text) => {
        if (text.startsWith("put")) abort.abort();
      },
    }),
  );
  const { results } = await running;
  expect(results).toEqual([]);
  expect(server.buckets.size).toBe(0);
}, 20_000);

test("an S3 error keeps its status and code", async () => {
  const client = new S3Client(target());
  const failure = await client.get("nowhere", "key").catch((error: unknown) => error);
  expect(failure).toBeInstanceOf(S3RequestError);
  expect(failure).toMatchObject({ status: 404, code: "NoSuchBucket" });
  client.close();
});

test("a server that hangs up is an error with a code, and the next request opens another connection", async () => {
  let connections = 0;
  const rude = createServer((socket) => {
    connections++;
    socket.once("data", () => socket.destroy());
  }).listen(0, "127.0.0.1");
  await new Promise((resolve) => rude.once("listening", resolve));
  const { port } = rude.address() as { port: number };
  const client = new S3Client({ ...target(), endpoint: { hostname: "127.0.0.1", port } });
  for (const expected of [1, 2]) {
    const failure = await client.get("b", "k").catch((error: unknown) => error);
    expect(codeOf(failure)).toBe("CONNECTION_LOST");
    expect(connections).toBe(expected);
  }
  rude.close();
  const refused = await client.get("b", "k").catch((error: unknown) => error);
  expect(codeOf(refused)).toBe("CONNECT_FAILED");
});
