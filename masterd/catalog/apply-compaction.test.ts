import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { join } from "node:path";
import { CHUNK_HEADER_SIZE, type Extent, recordSize } from "../../chunkd/protocol/record.ts";
import {
  atEnd,
  cleanUp,
  codeOf,
  dataIn,
  extentAt,
  md5,
  NO_ATTRIBUTES,
  testDirectory,
} from "../testing/test-master.ts";
import { apply } from "./apply.ts";
import { Catalog } from "./catalog.ts";
import type { CommandOf } from "./commands.ts";
import { CatalogDatabase } from "./database.ts";

afterEach(cleanUp);

const LENGTH = CHUNK_HEADER_SIZE + 4 * recordSize(1000);
let catalog: Catalog;

/** A sealed chunk 1 with four extents, of which the objects "a", "b" and a part refer to the last three. */
beforeEach(async () => {
  const database = CatalogDatabase.create(join(await testDirectory(), "catalog.sqlite"), "a".repeat(32));
  atEnd(() => database.close());
  catalog = new Catalog(database);
  apply(catalog, { type: "createBucket", at: 1, name: "bucket", owner: "u" });
  apply(catalog, { type: "openChunks", at: 1, chunks: [{ handle: 1, members: ["s1", "s2", "s3"] }] });
  for (const [index, key] of ["a", "b"].entries()) put(key, [extentAt(1, index + 1)]);
  const upload = { bucket: "bucket", key: "c", uploadId: "u1" };
  apply(catalog, { type: "createUpload", at: 1, ...upload, owner: "u", attributes: NO_ATTRIBUTES });
  apply(catalog, { type: "commitPart", at: 1, ...upload, partNumber: 1, data: dataIn(1, 3), checksums: {} });
  apply(catalog, { type: "sealChunk", at: 1, handle: 1, version: 2, length: LENGTH });
});

function put(key: string, extents: Extent[]): void {
  const data = { size: extents.length * 1000, etag: md5(key), extents };
  apply(catalog, { type: "commitObject", at: 1, bucket: "bucket", key, data, attributes: NO_ATTRIBUTES });
}

function addCompacted(more: Partial<CommandOf<"addCompacted">> = {}) {
  const length = LENGTH - recordSize(1000);
  return apply(catalog, {
    type: "addCompacted",
    at: 5,
    handle: 2,
    source: 1,
    version: 2,
    length,
    members: ["s1", "s3"],
    ...more,
  });
}

/** Moves the extents that have `indexes` in chunk 1 one place to the front of chunk 2. */
function move(indexes: number[], keys: string[], parts: number[] = []) {
  const extents = indexes.map((index) => {
    const { offset, length, checksum } = extentAt(1, index);
    return { offset, length, checksum, newOffset: extentAt(2, index - 1).offset, newChecksum: 100 + index };
  });
  const objects = keys.map((key) => ({ bucket: catalog.buckets.id("bucket"), key }));
  const names = parts.map((partNumber) => ({ uploadId: "u1", partNumber }));
  return apply(catalog, { type: "moveExtents", at: 6, source: 1, target: 2, extents, objects, parts: names });
}

const moved = (index: number): Extent => ({ ...extentAt(2, index - 1), checksum: 100 + index });
const extentsOf = (key: string) => catalog.objects.extents(catalog.buckets.id("bucket"), key);
const live = (handle: number): number => catalog.chunks.get(handle)!.live;

describe("a compacted chunk", () => {
  test("is sealed from the first, with nothing live and all of it committed", () => {
    addCompacted();
    expect(catalog.chunks.get(2)).toMatchObject({
      state: "sealed",
      version: 2,
      live: 0,
      members: ["s1", "s3"],
    });
    const { length, committed } = catalog.chunks.get(2)!;
    expect(committed).toBe(length);
    expect(catalog.chunks.dead(4, 4)).toEqual([]);
    expect(catalog.chunks.dead(5, 4)).toEqual([2]);
  });

  test("is refused where its handle is taken or its source is not sealed", async () => {
    const refused = (more: Partial<CommandOf<"addCompacted">>) =>
      codeOf(Promise.try(() => addCompacted(more)));
    expect(await refused({ handle: 1 })).toBe("BAD_REQUEST");
    expect(await refused({ source: 9 })).toBe("BAD_REQUEST");
    expect(await refused({ length: CHUNK_HEADER_SIZE })).toBe("BAD_REQUEST");
  });
});

describe("moving extents", () => {
  test("points objects and parts to the new chunk, and leaves the old one without references", () => {
    addCompacted();
    expect(move([1, 2, 3], ["a", "b"], [1])).toEqual({ moved: 3 });
    expect([extentsOf("a"), extentsOf("b")]).toEqual([[moved(1)], [moved(2)]]);
    expect(catalog.uploads.part("u1", 1)!.extents).toEqual([moved(3)]);
    expect([live(1), live(2)]).toEqual([0, 3000]);
  });

  test("changes nothing else of the object", () => {
    const id = catalog.buckets.id("bucket");
    const { extents: _, ...before } = catalog.objects.get(id, "a");
    addCompacted();
    move([1], ["a"]);
    const { extents: __, ...after } = catalog.objects.get(id, "a");
    expect(after).toEqual(before);
  });

  test("passes over what was overwritten, deleted or has come meanwhile", () => {
    addCompacted();
    put("a", [extentAt(1, 0)]);
    apply(catalog, { type: "deleteObject", at: 2, bucket: "bucket", key: "b" });
    expect(move([1, 2, 3], ["a", "b", "never"], [1, 2])).toEqual({ moved: 1 });
    expect(extentsOf("a")).toEqual([extentAt(1, 0)]);
    expect(extentsOf("b")).toBeUndefined();
    expect([live(1), live(2)]).toEqual([1000, 1000]);
  });

  test("compares length and checksum, not the place alone", () => {
    addCompacted();
    put("a", [{ ...extentAt(1, 1), checksum: 77 }]);
    put("b", [{ ...extentAt(1, 2), length: 999 }]);
    apply(catalog, { type: "abortUpload", at: 2, bucket: "bucket", key: "c", uploadId: "u1" });
    expect(move([1, 2], ["a", "b"])).toEqual({ moved: 0 });
    expect([live(1), live(2)]).toEqual([1999, 0]);
  });

  test("moves one extent of several, and every reference of a copied object by itself", () => {
    put("both", [extentAt(1, 0), extentAt(1, 2)]);
    addCompacted();
    move([2], ["both"]);
    expect(extentsOf("both")).toEqual([extentAt(1, 0), moved(2)]);
    expect(extentsOf("b")).toEqual([extentAt(1, 2)]);
    expect([live(1), live(2)]).toEqual([4000, 1000]);
  });

  test("is refused to a chunk that is not there, is going, or ends before", async () => {
    const refused = () => codeOf(Promise.try(() => move([3], [], [1])));
    expect(await refused()).toBe("BAD_REQUEST");
    addCompacted({ length: CHUNK_HEADER_SIZE + recordSize(1000) });
    expect(await refused()).toBe("BAD_REQUEST");
    apply(catalog, { type: "deleteChunks", at: 7, handles: [2] });
    expect(await refused()).toBe("BAD_REQUEST");
    expect(live(1)).toBe(3000);
  });

  test("is done twice as once", () => {
    addCompacted();
    move([1, 2], ["a", "b"]);
    expect(move([1, 2], ["a", "b"])).toEqual({ moved: 0 });
    expect([live(1), live(2)]).toEqual([1000, 2000]);
  });
});
