import { afterEach, expect, test } from "bun:test";
import { ManualClock } from "../testing/manual-clock.ts";
import { cluster, sealedChunk } from "../testing/scripted-cluster.ts";
import { cleanUp, codeOf, crashedCopy, startTestMaster } from "../testing/test-master.ts";
import { RECOGNITION_MS, Recognition } from "./recognition.ts";

afterEach(cleanUp);

test("a master that knows no chunkserver speaks at once", () => {
  expect(new Recognition(new ManualClock(), false).pending).toBeUndefined();
});

test("one that knows some waits for the first of them, and not for ever", async () => {
  const clock = new ManualClock();
  const recognition = new Recognition(clock, true);
  const first = recognition.pending;
  expect(first).toBeDefined();
  recognition.end();
  await first;
  expect(recognition.pending).toBeUndefined();

  const alone = new Recognition(clock, true);
  const waiting = alone.pending;
  clock.advance(RECOGNITION_MS);
  await waiting;
  expect(alone.pending).toBeUndefined();
});

test("an older copy of the master answers nobody before a chunkserver has contradicted it", async () => {
  const all = await cluster(3);
  const directory = await crashedCopy(all.directory);
  await sealedChunk(all);
  await all.servers[0]!.heartbeat();
  const [server] = all.servers;
  server!.leave();
  const older = await startTestMaster({ directory, recogniseMs: 60_000 });
  const answer = codeOf(older.master.listBuckets({ max: 1 }));
  expect((await older.master.status(null)).buckets).toBe(1);
  server!.masterSeen = server!.reached.at(-1)!;
  await server!.join(older.address);
  expect(await answer).toBe("NOT_READY");
});

test("the present master answers as soon as a chunkserver has come", async () => {
  const all = await cluster(3);
  const again = await startTestMaster({
    directory: await crashedCopy(all.directory),
    recogniseMs: 60_000,
  });
  const answer = codeOf(again.master.listBuckets({ max: 1 }));
  const [server] = all.servers;
  server!.leave();
  await server!.join(again.address);
  expect(await answer).toBe("resolved");
});
