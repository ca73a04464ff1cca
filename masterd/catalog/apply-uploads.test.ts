import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { createHash } from "node:crypto";
import { join } from "node:path";
import { RECORD_PAYLOAD_MAX } from "../../chunkd/protocol/record.ts";
import { type ObjectData, PART_SIZE_MIN } from "../protocol/messages.ts";
import { MasterError } from "../store/errors.ts";
import { atEnd, cleanUp, dataIn, md5, NO_ATTRIBUTES, testDirectory } from "../testing/test-master.ts";
import { apply } from "./apply.ts";
import { Catalog } from "./catalog.ts";
import type { Command } from "./commands.ts";
import { CatalogDatabase } from "./database.ts";

const DAY_MS = 24 * 60 * 60 * 1000;
const upload = { bucket: "bucket", key: "key", uploadId: "u1" };
let catalog: Catalog;

beforeEach(async () => {
  const database = CatalogDatabase.create(join(await testDirectory(), "catalog.sqlite"), "a".repeat(32));
  atEnd(() => database.close());
  catalog = new Catalog(database);
  apply(catalog, { type: "createBucket", at: 1, name: "bucket", owner: "u" });
  const chunks = [1, 2, 3].map((handle) => ({ handle, members: ["s1", "s2"] }));
  apply(catalog, { type: "openChunks", at: 1, chunks });
  const attributes = { ...NO_ATTRIBUTES, headers: { "content-type": "text/plain" } };
  apply(catalog, {
    type: "createUpload",
    at: 2,
    ...upload,
    owner: "u",
    attributes,
    checksumType: "COMPOSITE",
  });
});
afterEach(cleanUp);

function failure(command: Command): { code: string; detail: unknown } {
  try {
    apply(catalog, command);
  } catch (error) {
    if (error instanceof MasterError) return { code: error.code, detail: error.detail };
    throw error;
  }
  return { code: "none", detail: undefined };
}

/** A part of the least size, in chunk `handle`. */
function fullPart(handle: number): ObjectData {
  const extents = [{ handle, offset: 64, length: PART_SIZE_MIN, checksum: handle }];
  expect(PART_SIZE_MIN % RECORD_PAYLOAD_MAX).toBe(0);
  return { size: PART_SIZE_MIN, etag: md5(`part ${handle}`), extents };
}

function putPart(partNumber: number, data: ObjectData): void {
  apply(catalog, {
    type: "commitPart",
    at: 3,
    ...upload,
    partNumber,
    data,
    checksums: { CRC32: `c${partNumber}` },
  });
}

function complete(parts: [number, ObjectData][], more: Partial<Command> = {}): Command {
  const listed = parts.map(([partNumber, { etag }]) => ({ partNumber, etag }));
  const base = {
    type: "completeUpload",
    at: 9,
    ...upload,
    parts: listed,
    checksums: { CRC32: "sum-2" },
  } as const;
  return { ...base, ...more } as Command;
}

const live = (): number[] => [1, 2, 3].map((handle) => catalog.chunks.get(handle)!.live);

describe("completing an upload", () => {
  test("joins the listed parts in order, with S3's etag, and drops the others", () => {
    const [first, last] = [fullPart(1), dataIn(2)];
    putPart(1, first);
    putPart(5, last);
    putPart(7, dataIn(3));
    const etags = [first, last].map(({ etag }) => Buffer.from(etag, "hex"));
    const etag = `${createHash("md5").update(Buffer.concat(etags)).digest("hex")}-2`;
    const attributes = {
      headers: { "content-type": "text/plain" },
      metadata: {},
      checksums: { CRC32: "sum-2" },
      checksumType: "COMPOSITE",
    };
    const result = apply(
      catalog,
      complete([
        [1, first],
        [5, last],
      ]),
    );
    expect(result as unknown).toEqual({ etag, modifiedAt: 9, size: PART_SIZE_MIN + 1000, attributes });
    const object = catalog.objects.get(catalog.buckets.id("bucket"), "key");
    expect(object.extents).toEqual([...first.extents, ...last.extents]);
    expect(object.parts).toEqual([PART_SIZE_MIN, 1000]);
    expect(live()).toEqual([PART_SIZE_MIN, 1000, 0]);
    expect(catalog.uploads.parts("u1", 0, 10)).toEqual([]);
  });

  test("refuses parts that are out of order, missing, changed or too small", () => {
    const [small, full] = [dataIn(1), fullPart(2)];
    putPart(1, small);
    putPart(2, full);
    expect(
      failure(
        complete([
          [2, full],
          [1, small],
        ]),
      ).code,
    ).toBe("INVALID_PART_ORDER");
    expect(
      failure(
        complete([
          [2, full],
          [2, full],
        ]),
      ).code,
    ).toBe("INVALID_PART_ORDER");
    expect(
      failure(
        complete([
          [2, full],
          [3, small],
        ]),
      ).code,
    ).toBe("INVALID_PART");
    expect(failure(complete([[1, full]])).code).toBe("INVALID_PART");
    expect(
      failure(
        complete([
          [1, small],
          [2, full],
        ]),
      ),
    ).toEqual({
      code: "PART_TOO_SMALL",
      detail: { partNumber: 1, size: 1000, minimum: PART_SIZE_MIN },
    });
    expect(failure(complete([[2, full]])).code).toBe("none");
  });

  test("takes the last upload of a part that was uploaded again", () => {
    putPart(1, dataIn(1));
    putPart(1, dataIn(2));
    expect(live()).toEqual([0, 1000, 0]);
    expect(failure(complete([[1, dataIn(1)]])).code).toBe("INVALID_PART");
    expect(failure(complete([[1, dataIn(2)]])).code).toBe("none");
  });

  test("answers the same again for a day, even when the object is gone; other parts find no upload", () => {
    const part = dataIn(1);
    putPart(1, part);
    const answer = apply(catalog, complete([[1, part]]));
    apply(catalog, { type: "deleteObject", at: 10, bucket: "bucket", key: "key" });
    expect(apply(catalog, complete([[1, part]], { at: 11 }))).toEqual(answer);
    expect(catalog.objects.hasAny(catalog.buckets.id("bucket"))).toBe(false);
    expect(failure(complete([[1, dataIn(2)]])).code).toBe("NO_SUCH_UPLOAD");
    const next = { ...upload, uploadId: "u2" };
    apply(catalog, { type: "createUpload", at: 12, ...next, owner: "u", attributes: NO_ATTRIBUTES });
    apply(catalog, { type: "commitPart", at: 12, ...next, partNumber: 1, data: part, checksums: {} });
    apply(catalog, complete([[1, part]], { ...next, at: 10 + DAY_MS }));
    expect(failure(complete([[1, part]])).code).toBe("NO_SUCH_UPLOAD");
  });

  test("keeps the upload when its condition fails", () => {
    const part = dataIn(1);
    putPart(1, part);
    const attributes = NO_ATTRIBUTES;
    apply(catalog, {
      type: "commitObject",
      at: 4,
      bucket: "bucket",
      key: "key",
      data: dataIn(2),
      attributes,
    });
    const condition = { ifNoneMatch: ["*"] };
    expect(failure(complete([[1, part]], { condition })).code).toBe("PRECONDITION_FAILED");
    expect(live()).toEqual([1000, 1000, 0]);
    expect(failure(complete([[1, part]])).code).toBe("none");
    expect(live()).toEqual([1000, 0, 0]);
  });
});

describe("an upload", () => {
  test("that is aborted takes its parts with it and no more of them", () => {
    putPart(1, dataIn(1));
    apply(catalog, { type: "abortUpload", at: 4, ...upload });
    expect(live()).toEqual([0, 0, 0]);
    const part: Command = {
      type: "commitPart",
      at: 5,
      ...upload,
      partNumber: 1,
      data: dataIn(1),
      checksums: {},
    };
    expect(failure(part).code).toBe("NO_SUCH_UPLOAD");
    expect(failure(complete([[1, dataIn(1)]])).code).toBe("NO_SUCH_UPLOAD");
    expect(failure({ type: "abortUpload", at: 6, ...upload }).code).toBe("NO_SUCH_UPLOAD");
  });

  test("is known by bucket, key and id together", () => {
    const other = { ...upload, key: "other" };
    expect(failure({ type: "abortUpload", at: 4, ...other }).code).toBe("NO_SUCH_UPLOAD");
    const part: Command = {
      type: "commitPart",
      at: 5,
      ...other,
      partNumber: 1,
      data: dataIn(1),
      checksums: {},
    };
    expect(failure(part).code).toBe("NO_SUCH_UPLOAD");
  });
});
