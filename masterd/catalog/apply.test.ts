import { afterEach, describe, expect, test } from "bun:test";
import { join } from "node:path";
import { MasterError } from "../store/errors.ts";
import { dump } from "../testing/dump.ts";
import { randomCommands } from "../testing/random-commands.ts";
import {
  atEnd,
  cleanUp,
  codeOf,
  dataIn,
  emptyData,
  md5,
  NO_ATTRIBUTES,
  testDirectory,
} from "../testing/test-master.ts";
import { apply } from "./apply.ts";
import { Catalog } from "./catalog.ts";
import type { Command } from "./commands.ts";
import { CatalogDatabase } from "./database.ts";
import { checkBucketName, keyBytes } from "./names.ts";
import { pack, unpack, unpackExtents } from "./packing.ts";

afterEach(cleanUp);

async function emptyCatalog(): Promise<Catalog> {
  const database = CatalogDatabase.create(join(await testDirectory(), "catalog.sqlite"), "a".repeat(32));
  atEnd(() => database.close());
  return new Catalog(database);
}

/** Applies a command and tells its outcome: the result, or the code of the refusal. */
function outcome(catalog: Catalog, command: Command): unknown {
  try {
    return apply(catalog, command);
  } catch (error) {
    if (error instanceof MasterError) return error.code;
    throw error;
  }
}

/** A catalog with one bucket, "bucket", and open chunks 1 and 2. */
async function readyCatalog(): Promise<Catalog> {
  const catalog = await emptyCatalog();
  apply(catalog, { type: "createBucket", at: 1, name: "bucket", owner: "u" });
  apply(catalog, {
    type: "openChunks",
    at: 1,
    chunks: [1, 2].map((handle) => ({ handle, members: ["s1", "s2", "s3"] })),
  });
  return catalog;
}

const object = { bucket: "bucket", key: "key" };
const commit = (data = emptyData(), more = {}): Command => ({
  type: "commitObject",
  at: 5,
  ...object,
  data,
  attributes: NO_ATTRIBUTES,
  ...more,
});

describe("apply", () => {
  test("gives the same outcomes and the same catalog for the same commands, also after a trip through msgpack", async () => {
    const [first, second] = [await emptyCatalog(), await emptyCatalog()];
    const commands = randomCommands(7, 8_000);
    const kinds = new Set<string>();
    for (const command of commands) {
      const result = outcome(first, command);
      if (typeof result !== "string") kinds.add(command.type);
      expect(outcome(second, unpack<Command>(pack(command)))).toEqual(result);
    }
    expect(dump(second)).toBe(dump(first));
    expect([...kinds].sort()).toEqual([...new Set(commands.map(({ type }) => type))].sort());
  });

  test("changes nothing when it refuses", async () => {
    const catalog = await emptyCatalog();
    let refused = 0;
    for (const command of randomCommands(11, 600)) {
      const before = dump(catalog);
      if (typeof outcome(catalog, command) !== "string") continue;
      refused++;
      expect(dump(catalog)).toBe(before);
    }
    expect(refused).toBeGreaterThan(100);
  });

  test("counts live bytes once for every reference", async () => {
    const catalog = await emptyCatalog();
    for (const command of randomCommands(13, 3_000)) outcome(catalog, command);
    const counted = new Map<number, number>();
    for (const table of ["objects", "parts"]) {
      for (const [bytes] of catalog.database.sqlite.query(`SELECT extents FROM ${table}`).values()) {
        for (const { handle, length } of unpackExtents(bytes as Uint8Array)) {
          counted.set(handle, (counted.get(handle) ?? 0) + length);
        }
      }
    }
    expect(counted.size).toBeGreaterThan(0);
    for (const { handle, live } of catalog.chunks.all())
      expect([handle, live]).toEqual([handle, counted.get(handle) ?? 0]);
    const objects = catalog.database.sqlite.query("SELECT count(*) FROM objects").values()[0]![0];
    expect(catalog.database.meta.objects).toBe(objects as number);
  });
});

describe("buckets", () => {
  test("are forgotten when they are deleted, and when what made or deleted them is undone", async () => {
    const catalog = await readyCatalog();
    const { buckets, database } = catalog;
    const create = (owner: string): Command => ({ type: "createBucket", at: 2, name: "later", owner });
    const undone = (command: Command): void => {
      expect(typeof buckets.find("bucket")).toBe("object");
      database.begin();
      database.savepoint();
      expect(typeof outcome(catalog, command)).toBe("object");
      buckets.find("later");
      database.rollbackBatch();
      database.commit();
    };
    undone(create("u"));
    expect(buckets.find("later")).toBeUndefined();
    apply(catalog, create("v"));
    expect(buckets.find("later")?.owner).toBe("v");
    undone({ type: "deleteBucket", at: 3, name: "later" });
    expect(buckets.find("later")?.owner).toBe("v");
    apply(catalog, { type: "deleteBucket", at: 3, name: "later" });
    expect(buckets.find("later")).toBeUndefined();
    apply(catalog, create("w"));
    expect(buckets.find("later")?.owner).toBe("w");
  });

  test("are refused names that S3 refuses", async () => {
    const wrong = [
      "ab",
      "A-b",
      "-ab",
      "ab-",
      "a..b",
      "192.168.1.1",
      "xn--ab",
      "ab-s3alias",
      "a_b",
      "a".repeat(64),
      "",
      "ab.",
      "ab.-c",
      "ab-.c",
    ];
    for (const name of wrong)
      expect([name, await codeOf((async () => checkBucketName(name))())]).toEqual([
        name,
        "INVALID_BUCKET_NAME",
      ]);
    for (const name of ["abc", "a.b-c", "1bucket", "a".repeat(63), "1.2.3.4.5"]) checkBucketName(name);
  });

  test("exist once, for their owner", async () => {
    const catalog = await readyCatalog();
    const again: Command = { type: "createBucket", at: 2, name: "bucket", owner: "other" };
    try {
      apply(catalog, again);
      throw new Error("it was made twice");
    } catch (error) {
      expect(error).toMatchObject({ code: "BUCKET_EXISTS", detail: { owner: "u" } });
    }
  });

  test("are given away by their owner alone, once and for all", async () => {
    const catalog = await readyCatalog();
    apply(catalog, { type: "createBucket", at: 2, name: "later", owner: "u" });
    const give = (owner: string, newOwner: string) =>
      outcome(catalog, { type: "setBucketOwner", at: 3, name: "later", owner, newOwner });
    const owned = (owner: string) => catalog.buckets.list({ owner, max: 9 }).buckets.map(({ name }) => name);
    expect(give("x", "v")).toBe("PRECONDITION_FAILED");
    expect(catalog.buckets.find("later")?.owner).toBe("u");
    const given = { name: "later", owner: "v", createdAt: 2 };
    expect(give("u", "v")).toEqual(given);
    expect(give("u", "v")).toEqual(given);
    expect(catalog.buckets.find("later")).toMatchObject(given);
    expect([owned("u"), owned("v")]).toEqual([["bucket"], ["later"]]);
    expect(give("u", "w")).toBe("PRECONDITION_FAILED");
    expect(outcome(catalog, { type: "setBucketOwner", at: 4, name: "none", owner: "u", newOwner: "v" })).toBe(
      "NO_SUCH_BUCKET",
    );
  });

  test("go only without objects; uploads in progress go with them", async () => {
    const catalog = await readyCatalog();
    apply(catalog, commit(dataIn(1)));
    const upload = { ...object, uploadId: "u1" };
    apply(catalog, { type: "createUpload", at: 2, ...upload, owner: "u", attributes: NO_ATTRIBUTES });
    apply(catalog, { type: "commitPart", at: 3, ...upload, partNumber: 1, data: dataIn(2), checksums: {} });
    const remove: Command = { type: "deleteBucket", at: 4, name: "bucket" };
    expect(outcome(catalog, remove)).toBe("BUCKET_NOT_EMPTY");
    apply(catalog, { type: "deleteObject", at: 5, ...object });
    expect(outcome(catalog, remove)).toBeNull();
    expect([catalog.chunks.get(1)!.live, catalog.chunks.get(2)!.live]).toEqual([0, 0]);
    expect(outcome(catalog, remove)).toBe("NO_SUCH_BUCKET");
    apply(catalog, { type: "createBucket", at: 6, name: "bucket", owner: "u" });
    expect(outcome(catalog, { type: "abortUpload", at: 7, ...upload })).toBe("NO_SUCH_UPLOAD");
  });
});

describe("keys", () => {
  test("are 1 to 1024 bytes of UTF-8 without NUL", async () => {
    for (const key of ["", "a\0b", "\ud800", "é".repeat(513), "x".repeat(1025)]) {
      expect(await codeOf((async () => keyBytes(key))())).toBe("INVALID_KEY");
    }
    for (const key of ["é".repeat(512), "/", "..", "\n", "😀"]) expect(keyBytes(key).toString()).toBe(key);
  });
});

describe("conditions", () => {
  const etag = md5("one");
  test.each([
    ["nothing there, if-none-match *", false, { ifNoneMatch: ["*"] }, "done"],
    ["an object there, if-none-match *", true, { ifNoneMatch: ["*"] }, "PRECONDITION_FAILED"],
    ["if-none-match of its etag", true, { ifNoneMatch: [etag] }, "PRECONDITION_FAILED"],
    ["if-none-match of another", true, { ifNoneMatch: [md5("two")] }, "done"],
    ["if-match of its etag", true, { ifMatch: [md5("two"), etag] }, "done"],
    ["if-match *", true, { ifMatch: ["*"] }, "done"],
    ["if-match of another", true, { ifMatch: [md5("two")] }, "PRECONDITION_FAILED"],
    ["nothing there, if-match", false, { ifMatch: [etag] }, "NO_SUCH_KEY"],
  ])("%s", async (_, isThere, condition, expected) => {
    const catalog = await readyCatalog();
    const commands: Command[] = [
      commit(emptyData("three"), { condition }),
      { type: "deleteObject", at: 9, ...object, condition },
    ];
    for (const command of commands) {
      if (isThere) apply(catalog, commit(emptyData("one")));
      else outcome(catalog, { type: "deleteObject", at: 8, ...object });
      const result = outcome(catalog, command);
      expect(typeof result === "string" ? result : "done").toBe(expected);
    }
  });

  test.each([
    [{ ifMatch: ["other"] }, "PRECONDITION_FAILED"],
    [{ ifMatch: [etag], unmodifiedSince: 0 }, "done"],
    [{ unmodifiedSince: 1_000 }, "PRECONDITION_FAILED"],
    [{ unmodifiedSince: 5_000 }, "done"],
    [{ ifNoneMatch: [etag], modifiedSince: 0 }, "NOT_MODIFIED"],
    [{ ifNoneMatch: ["other"], modifiedSince: 9_000 }, "done"],
    [{ modifiedSince: 5_000 }, "NOT_MODIFIED"],
    [{ modifiedSince: 4_999 }, "done"],
  ])("a copy's source condition %o", async (sourceCondition, expected) => {
    const catalog = await readyCatalog();
    apply(catalog, commit(emptyData("one"), { at: 5_500 }));
    const copy: Command = {
      type: "copyObject",
      at: 6,
      source: object,
      bucket: "bucket",
      key: "b",
      sourceCondition,
    };
    const result = outcome(catalog, copy);
    expect(typeof result === "string" ? result : "done").toBe(expected);
  });
});

describe("extents", () => {
  test("of unknown, deleted or shorter sealed chunks are stale", async () => {
    const catalog = await readyCatalog();
    expect(outcome(catalog, commit(dataIn(3)))).toBe("STALE_EXTENT");
    apply(catalog, commit(dataIn(1, 0)));
    const { committed } = catalog.chunks.get(1)!;
    apply(catalog, { type: "sealChunk", at: 6, handle: 1, version: 2, length: committed });
    expect(outcome(catalog, commit(dataIn(1, 1), { key: "b" }))).toBe("STALE_EXTENT");
    expect(outcome(catalog, commit(dataIn(1, 0), { key: "b" }))).toEqual({ modifiedAt: 5 });
    for (const key of ["key", "b"]) apply(catalog, { type: "deleteObject", at: 7, bucket: "bucket", key });
    apply(catalog, { type: "deleteChunks", at: 8, handles: [1] });
    expect(outcome(catalog, commit(dataIn(1, 0)))).toBe("STALE_EXTENT");
  });

  test("keep their chunk from being sealed short of them, or deleted", async () => {
    const catalog = await readyCatalog();
    apply(catalog, commit(dataIn(1, 3)));
    const { committed } = catalog.chunks.get(1)!;
    const seal = (length: number): Command => ({ type: "sealChunk", at: 6, handle: 1, version: 2, length });
    expect(outcome(catalog, seal(committed - 1))).toBe("BAD_REQUEST");
    expect(outcome(catalog, { type: "deleteChunks", at: 7, handles: [1] })).toBe("BAD_REQUEST");
    expect(outcome(catalog, seal(committed))).toBeNull();
    expect(outcome(catalog, { type: "deleteChunks", at: 7, handles: [1] })).toBe("BAD_REQUEST");
    expect(outcome(catalog, seal(committed))).toBe("BAD_REQUEST");
  });

  test("are shared by a copy, whose original may go", async () => {
    const catalog = await readyCatalog();
    apply(catalog, commit(dataIn(1)));
    apply(catalog, { type: "copyObject", at: 6, source: object, bucket: "bucket", key: "copy" });
    expect(catalog.chunks.get(1)!.live).toBe(2000);
    apply(catalog, { type: "deleteObject", at: 7, ...object });
    expect(catalog.chunks.get(1)!.live).toBe(1000);
    const id = catalog.buckets.id("bucket");
    expect(catalog.objects.get(id, "copy").extents).toEqual(dataIn(1).extents);
    apply(catalog, {
      type: "copyObject",
      at: 8,
      source: { bucket: "bucket", key: "copy" },
      bucket: "bucket",
      key: "copy",
    });
    expect(catalog.chunks.get(1)!.live).toBe(1000);
  });
});
