import { expect, test } from "bun:test";
import type { StoredObject } from "../api/storage.ts";
import { type Send, UPLOADS_FINISHED_MAX, UPLOADS_IN_FLIGHT_MAX, type Upload, UploadQueue } from "./queue.ts";

interface Manual {
  upload: Upload;
  progress(bytes: number): void;
  succeed(): Promise<void>;
  fail(message: string): Promise<void>;
  aborted: boolean;
}

/** A queue whose sendings the test ends by hand, on a clock that it moves. */
function manualQueue() {
  const sendings: Manual[] = [];
  const clock = { now: 0 };
  const send: Send = (upload, onProgress) => {
    const end = Promise.withResolvers<StoredObject>();
    const settled = async () => void (await end.promise.then(Boolean, Boolean));
    const manual: Manual = {
      upload,
      progress: onProgress,
      succeed() {
        end.resolve({ key: upload.key, size: upload.file.size, etag: "e", modifiedAt: 1 });
        return settled();
      },
      fail(message) {
        end.reject(new Error(message));
        return settled();
      },
      aborted: false,
    };
    sendings.push(manual);
    return {
      done: end.promise,
      abort() {
        manual.aborted = true;
        end.reject(new Error("aborted"));
      },
    };
  };
  const queue = new UploadQueue(send, () => clock.now);
  const states = () => queue.snapshot().map((upload) => upload.state);
  return { queue, sendings, clock, states };
}

const files = (count: number, size = 10) =>
  Array.from({ length: count }, (_, i) => ({ key: `file-${i}`, file: new Blob([new Uint8Array(size)]) }));

test("only three are sent at once; the next starts when one ends", async () => {
  const { queue, sendings } = manualQueue();
  queue.add("b", files(5));
  expect(sendings.map((sending) => sending.upload.key)).toEqual(["file-0", "file-1", "file-2"]);
  expect(sendings.length).toBe(UPLOADS_IN_FLIGHT_MAX);
  await sendings[1]!.succeed();
  expect(sendings.at(-1)!.upload.key).toBe("file-3");
  expect(sendings.length).toBe(4);
});

test("a failed upload tells why, lets the others go on, and can be retried to success", async () => {
  const { queue, sendings, states } = manualQueue();
  const stored: string[] = [];
  queue.onDone((upload) => stored.push(upload.key));
  queue.add("b", files(1));
  await sendings[0]!.fail("The disk is full.");
  expect(queue.snapshot()[0]).toMatchObject({ state: "failed", error: "The disk is full." });
  queue.retry(queue.snapshot()[0]!.id);
  await sendings[1]!.succeed();
  expect(states()).toEqual(["done"]);
  expect(queue.snapshot()[0]!.error).toBeUndefined();
  expect(stored).toEqual(["file-0"]);
});

test("all that failed is retried at once; what was cancelled, and a key that is too long, stay as they are", async () => {
  const { queue, sendings, states } = manualQueue();
  queue.add("b", [...files(3), { key: "é".repeat(513), file: new Blob() }]);
  await sendings[0]!.fail("The disk is full.");
  await sendings[1]!.fail("The disk is full.");
  queue.cancel(queue.snapshot()[2]!.id);
  queue.retryFailed();
  expect(states()).toEqual(["sending", "sending", "cancelled", "failed"]);
  expect(queue.snapshot()[0]!.error).toBeUndefined();
});

test("cancelling aborts the request, frees its place, and its late rejection does not end the retry", async () => {
  const { queue, sendings, states } = manualQueue();
  queue.add("b", files(4));
  const first = queue.snapshot()[0]!;
  queue.cancel(first.id);
  expect(sendings[0]!.aborted).toBe(true);
  expect(states()).toEqual(["cancelled", "sending", "sending", "sending"]);
  await sendings[1]!.succeed();
  queue.retry(first.id);
  await Promise.resolve();
  expect(states()).toEqual(["sending", "done", "sending", "sending"]);
});

test("speed is measured over samples that are far enough apart, and is zero at the end", async () => {
  const { queue, sendings, clock } = manualQueue();
  queue.add("b", files(1, 4000));
  clock.now = 100;
  sendings[0]!.progress(500);
  expect(queue.snapshot()[0]).toMatchObject({ sentBytes: 500, bytesPerSecond: 0 });
  clock.now = 500;
  sendings[0]!.progress(1000);
  expect(queue.snapshot()[0]!.bytesPerSecond).toBe(2000);
  await sendings[0]!.succeed();
  expect(queue.snapshot()[0]).toMatchObject({ sentBytes: 4000, bytesPerSecond: 0, state: "done" });
});

test("a key over 1024 bytes fails at once and is never sent", () => {
  const { queue, sendings } = manualQueue();
  queue.add("b", [{ key: "é".repeat(513), file: new Blob() }]);
  expect(queue.snapshot()[0]).toMatchObject({ state: "failed" });
  expect(queue.snapshot()[0]!.error).toContain("1026 bytes");
  expect(sendings.length).toBe(0);
});

test("finished uploads are forgotten beyond a bound, oldest first", async () => {
  const { queue, sendings } = manualQueue();
  queue.add("b", files(UPLOADS_FINISHED_MAX + 2, 0));
  for (let i = 0; i < UPLOADS_FINISHED_MAX + 2; i++) await sendings[i]!.succeed();
  expect(queue.snapshot().length).toBe(UPLOADS_FINISHED_MAX);
  expect(queue.snapshot()[0]!.key).toBe("file-2");
});

test("cancelAll stops what is sent and what waits", () => {
  const { queue, sendings, states } = manualQueue();
  queue.add("b", files(5));
  queue.cancelAll();
  expect(states()).toEqual(Array(5).fill("cancelled"));
  expect(sendings.map((sending) => sending.aborted)).toEqual([true, true, true]);
  queue.clearFinished();
  expect(queue.snapshot()).toEqual([]);
});
