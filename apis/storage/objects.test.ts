import { describe, expect, test } from "bun:test";
import { RemoteError } from "../../chunkd/protocol/errors.ts";
import type { Extent } from "../../chunkd/protocol/record.ts";
import type { MasterClient } from "../../masterd/client/client.ts";
import type { ObjectRecord } from "../../masterd/protocol/messages.ts";
import { systemClock } from "../../std/clock.ts";
import { whenFlowing } from "./first-bytes.ts";
import { type DataReader, ObjectStore } from "./objects.ts";

const BYTES = Buffer.from("the bytes of one object, in pieces of four");

const recordAt = (handle: number, more: Partial<ObjectRecord> = {}): ObjectRecord => ({
  key: "key",
  size: BYTES.length,
  etag: "e".repeat(32),
  modifiedAt: 5,
  attributes: { headers: {}, metadata: {}, checksums: {} },
  extents: [{ handle, offset: 64, length: BYTES.length, checksum: handle }],
  ...more,
});

/**
 * A store whose master answers with `records` one after another, the last one again and again, and whose reader has the
 * bytes of the chunk `inMemory` in memory.
 */
function storeOf(records: ObjectRecord[], goneAfter: Map<number, number>, inMemory?: number) {
  const read: [handle: number, start: number][] = [];
  const master = {
    getObject: async () => ({ object: records.length > 1 ? records.shift()! : records[0]!, locations: {} }),
  } as unknown as MasterClient;
  const reader: DataReader = {
    async *read(extents: Extent[], _locations, start, end) {
      const { handle } = extents[0]!;
      read.push([handle, start]);
      for (let at = start; at < end; at += 4) {
        if (at >= (goneAfter.get(handle) ?? end)) throw new RemoteError("NO_SUCH_CHUNK", "it is gone");
        yield BYTES.subarray(at, Math.min(at + 4, end));
      }
    },
  };
  reader.held = ([extent], start, end) =>
    extent!.handle === inMemory ? BYTES.subarray(start, end) : undefined;
  const writer = { write: () => Promise.reject(new Error("not written here")) };
  return { store: new ObjectStore({ master, reader, writer, clock: systemClock }), read };
}

async function readAll(store: ObjectStore, start = 0, end = BYTES.length): Promise<string> {
  const { read } = await store.open("bucket", "key");
  let text = "";
  for await (const bytes of read(start, end)) text += Buffer.from(bytes).toString();
  return text;
}

describe("an object that is read while its bytes are moved to another chunk", () => {
  test("goes on in the new chunk where the old one ended", async () => {
    const { store, read } = storeOf(
      [recordAt(1), recordAt(2), recordAt(3)],
      new Map([
        [1, 8],
        [2, 20],
      ]),
    );
    expect(await readAll(store, 4, 30)).toBe(BYTES.subarray(4, 30).toString());
    expect(read).toEqual([
      [1, 4],
      [2, 8],
      [3, 20],
    ]);
  });

  test("fails, and gives no byte of another version, when it was overwritten meanwhile", async () => {
    for (const more of [{ etag: "f".repeat(32) }, { modifiedAt: 6 }, { size: 99 }]) {
      const { store, read } = storeOf([recordAt(1), recordAt(2, more)], new Map([[1, 8]]));
      await expect(readAll(store)).rejects.toMatchObject({ code: "NO_SUCH_CHUNK" });
      expect(read).toEqual([[1, 0]]);
    }
  });

  test("fails with the first error when it is still where it was", async () => {
    const { store, read } = storeOf([recordAt(1)], new Map([[1, 8]]));
    await expect(readAll(store)).rejects.toMatchObject({ code: "NO_SUCH_CHUNK" });
    expect(read).toHaveLength(1);
  });
});

test("an answer takes the bytes of its record that are in memory, and reads the others", async () => {
  const { store, read } = storeOf([recordAt(1), recordAt(2)], new Map(), 1);
  const inMemory = await store.open("bucket", "key");
  expect(await whenFlowing(inMemory, 4, 9)).toEqual(BYTES.subarray(4, 9));
  expect(read).toEqual([]);
  const elsewhere = await store.open("bucket", "key");
  expect(await whenFlowing(elsewhere, 4, 9)).toEqual(BYTES.subarray(4, 9));
  expect(read).toEqual([[2, 4]]);
});
