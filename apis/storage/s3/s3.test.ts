// Buckets and objects through the AWS SDK at its defaults, on a real master and real chunkservers.
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import {
  CopyObjectCommand,
  CreateBucketCommand,
  DeleteBucketCommand,
  DeleteObjectCommand,
  DeleteObjectsCommand,
  GetBucketLocationCommand,
  GetBucketVersioningCommand,
  GetObjectAttributesCommand,
  GetObjectCommand,
  GetObjectTaggingCommand,
  HeadBucketCommand,
  HeadObjectCommand,
  ListBucketsCommand,
  ListObjectsV2Command,
  PutObjectCommand,
  type PutObjectCommandInput,
  type S3Client,
  type S3ServiceException,
} from "@aws-sdk/client-s3";
import { getSignedUrl } from "@aws-sdk/s3-request-presigner";
import { systemRandom } from "../../../std/random.ts";
import { StorageCluster } from "../testing/cluster.ts";

let cluster: StorageCluster;
let alice: S3Client;
const Bucket = "alices-bucket";

beforeAll(async () => {
  cluster = await StorageCluster.start();
  alice = cluster.client("alice");
  await alice.send(new CreateBucketCommand({ Bucket }));
}, 30_000);

afterAll(() => cluster.stop(), 30_000);

/** Status and name of the error that `request` ends with. */
async function failure(request: Promise<unknown>): Promise<[number | undefined, string]> {
  try {
    await request;
  } catch (error) {
    const { $metadata, name } = error as S3ServiceException;
    return [$metadata?.httpStatusCode, name];
  }
  return [undefined, "no error"];
}

async function put(
  Key: string,
  Body: PutObjectCommandInput["Body"],
  more: Partial<PutObjectCommandInput> = {},
) {
  return alice.send(new PutObjectCommand({ Bucket, Key, Body, ...more }));
}

async function text(Key: string, more: object = {}): Promise<string> {
  const { Body } = await alice.send(new GetObjectCommand({ Bucket, Key, ...more }));
  return Body!.transformToString();
}

describe("buckets", () => {
  test("are made, found, listed and deleted", async () => {
    const name = "short-lived";
    await alice.send(new CreateBucketCommand({ Bucket: name }));
    expect((await alice.send(new HeadBucketCommand({ Bucket: name }))).BucketRegion).toBe("eu-test-1");
    const { Buckets, Owner } = await alice.send(new ListBucketsCommand({}));
    expect(Buckets!.map(({ Name }) => Name)).toEqual([Bucket, name]);
    expect(Owner).toEqual({ ID: "id-alice", DisplayName: "alice" });
    await alice.send(new DeleteBucketCommand({ Bucket: name }));
    expect(await failure(alice.send(new HeadBucketCommand({ Bucket: name })))).toEqual([404, "NotFound"]);
  });

  test("are listed page by page and by prefix", async () => {
    const bob = cluster.client("bob");
    const names = ["page-a", "page-b", "page-c", "other"];
    for (const name of names) await bob.send(new CreateBucketCommand({ Bucket: name }));
    const found: (string | undefined)[] = [];
    let ContinuationToken: string | undefined;
    do {
      const page = await bob.send(
        new ListBucketsCommand({ Prefix: "page-", MaxBuckets: 2, ContinuationToken }),
      );
      found.push(...page.Buckets!.map(({ Name }) => Name));
      expect(page.Buckets!.length).toBeLessThanOrEqual(2);
      ContinuationToken = page.ContinuationToken;
    } while (ContinuationToken);
    expect(found).toEqual(["page-a", "page-b", "page-c"]);
    for (const name of names) await bob.send(new DeleteBucketCommand({ Bucket: name }));
  });

  test("answer what tools ask of a fresh one", async () => {
    expect((await alice.send(new GetBucketLocationCommand({ Bucket }))).LocationConstraint).toBe(
      "eu-test-1" as never,
    );
    expect((await alice.send(new GetBucketVersioningCommand({ Bucket }))).Status).toBeUndefined();
  });

  test("with a bad name, taken, full or missing are errors with S3's names", async () => {
    const bob = cluster.client("bob");
    await put("keeps-it-full", "x");
    expect(await failure(alice.send(new CreateBucketCommand({ Bucket: "Bad_Name" })))).toEqual([
      400,
      "InvalidBucketName",
    ]);
    expect(await failure(alice.send(new CreateBucketCommand({ Bucket })))).toEqual([
      409,
      "BucketAlreadyOwnedByYou",
    ]);
    expect(await failure(bob.send(new CreateBucketCommand({ Bucket })))).toEqual([
      409,
      "BucketAlreadyExists",
    ]);
    expect(await failure(bob.send(new ListObjectsV2Command({ Bucket })))).toEqual([403, "AccessDenied"]);
    expect(await failure(alice.send(new DeleteBucketCommand({ Bucket })))).toEqual([409, "BucketNotEmpty"]);
    expect(await failure(alice.send(new ListObjectsV2Command({ Bucket: "nowhere" })))).toEqual([
      404,
      "NoSuchBucket",
    ]);
    expect(
      await failure(alice.send(new PutObjectCommand({ Bucket: "nowhere", Key: "k", Body: "x" }))),
    ).toEqual([404, "NoSuchBucket"]);
  });
});

describe("objects", () => {
  const SIZES = [0, 1, 4096, 65_536, (1 << 20) - 1, 1 << 20, (1 << 20) + 1, (5 << 20) + 7, 20 << 20];

  test.each(SIZES)("of %p bytes come back byte for byte, whole and in part", async (size) => {
    const Body = systemRandom.bytes(size);
    const { ETag } = await put("sized", Body);
    expect(ETag).toBe(`"${new Bun.CryptoHasher("md5").update(Body).digest("hex")}"`);
    const got = await alice.send(new GetObjectCommand({ Bucket, Key: "sized" }));
    expect([got.ContentLength, got.ETag]).toEqual([size, ETag]);
    expect(Body.equals(Buffer.from(await got.Body!.transformToByteArray()))).toBe(true);
    for (const [start, end] of [
      [0, 1],
      [Math.floor(size / 2), size],
      [Math.max(0, size - 65_537), size - 1],
    ] as const) {
      if (start >= end || end > size) continue;
      const Range = `bytes=${start}-${end - 1}`;
      const part = await alice.send(new GetObjectCommand({ Bucket, Key: "sized", Range }));
      expect(part.ContentRange).toBe(`bytes ${start}-${end - 1}/${size}`);
      expect(Body.subarray(start, end).equals(Buffer.from(await part.Body!.transformToByteArray()))).toBe(
        true,
      );
    }
  });

  const KEYS = [
    "plain",
    "a/../b",
    "a/./b",
    ".",
    "..",
    "/",
    "//",
    "a//b",
    "/leading",
    "trailing/",
    "sp ace",
    "plus+plus",
    "per%cent",
    "%2F",
    "%252F",
    "q?a=b&c#d",
    "new\nline",
    "return\rtab\t",
    "quote\"'<>&",
    "ünïcödé/漢字/🙂",
    "*()!~;:@$,[]{}|^`",
    "\\back",
    "k".repeat(1024),
  ];

  test.each(KEYS)("at the key %p are stored, read, listed, copied and deleted", async (Key) => {
    await put(Key, Key);
    expect(await text(Key)).toBe(Key);
    const { Contents } = await alice.send(new ListObjectsV2Command({ Bucket, Prefix: Key, MaxKeys: 1 }));
    expect(Contents![0]!.Key).toBe(Key);
    const CopySource = `${Bucket}/${encodeURIComponent(Key)}`;
    await alice.send(new CopyObjectCommand({ Bucket, Key: "copy-of-key", CopySource }));
    expect(await text("copy-of-key")).toBe(Key);
    await alice.send(new DeleteObjectCommand({ Bucket, Key }));
    expect(await failure(alice.send(new GetObjectCommand({ Bucket, Key })))).toEqual([404, "NoSuchKey"]);
  });

  test("at different keys that look alike are different objects", async () => {
    const alike = ["x/y", "x//y", "x/./y", "x%2Fy", "X/Y", "x/y/", "x/\u0079", "x/ý", "x/y\u0301"];
    for (const Key of alike) await put(Key, Key);
    for (const Key of alike) expect(await text(Key)).toBe(Key);
  });

  test("at a key that is too long are refused", async () => {
    expect(await failure(put("k".repeat(1025), "x"))).toEqual([400, "KeyTooLongError"]);
  });

  test("keep headers and metadata, beyond ASCII too", async () => {
    const Expires = new Date(Date.UTC(2030, 0, 1));
    await put("described", "x", {
      ContentType: "text/markdown; charset=utf-8",
      CacheControl: "max-age=60",
      ContentDisposition: "inline",
      ContentEncoding: "identity",
      ContentLanguage: "de",
      Expires,
      Metadata: { plain: "value", Mixed: "Case", __proto__x: "1", word: "=?UTF-8?B?Z3LDvMOfZQ==?=" },
    });
    const head = await alice.send(new HeadObjectCommand({ Bucket, Key: "described" }));
    expect(head).toMatchObject({
      ContentType: "text/markdown; charset=utf-8",
      CacheControl: "max-age=60",
      ContentDisposition: "inline",
      ContentEncoding: "identity",
      ContentLanguage: "de",
      Metadata: { plain: "value", mixed: "Case", __proto__x: "1", word: "=?UTF-8?B?Z3LDvMOfZQ==?=" },
      ContentLength: 1,
    });
    expect(head.LastModified!.getTime()).toBeGreaterThan(Date.now() - 60_000);
  });

  test("that are overwritten are the new ones wholly, for a reader under way the old one or an end", async () => {
    const before = Buffer.alloc(12 << 20, "a");
    const after = Buffer.alloc(12 << 20, "b");
    await put("contended", before);
    const reading = await alice.send(new GetObjectCommand({ Bucket, Key: "contended" }));
    await put("contended", after);
    expect(Buffer.from(await reading.Body!.transformToByteArray()).equals(before)).toBe(true);
    const { Body } = await alice.send(new GetObjectCommand({ Bucket, Key: "contended" }));
    expect(Buffer.from(await Body!.transformToByteArray()).equals(after)).toBe(true);
  });

  test("are deleted in a batch, missing ones as well", async () => {
    const keys = ["batch/1", "batch/<2>&", "batch/\n3"];
    for (const key of keys) await put(key, "x");
    const { Deleted, Errors } = await alice.send(
      new DeleteObjectsCommand({
        Bucket,
        Delete: { Objects: [...keys, "batch/none", "k".repeat(1025)].map((Key) => ({ Key })) },
      }),
    );
    expect(Deleted!.map(({ Key }) => Key)).toEqual([...keys, "batch/none"]);
    expect(Errors!.map(({ Code }) => Code)).toEqual(["KeyTooLongError"]);
    const { KeyCount } = await alice.send(new ListObjectsV2Command({ Bucket, Prefix: "batch/" }));
    expect(KeyCount).toBe(0);
  });

  test("are deleted in a batch only when their ETag is the one named; quietly on request", async () => {
    const { ETag } = await put("tagged/1", "x");
    await put("tagged/2", "x");
    const Objects = [
      { Key: "tagged/1", ETag },
      { Key: "tagged/2", ETag: '"0"' },
    ];
    const { Deleted, Errors } = await alice.send(
      new DeleteObjectsCommand({ Bucket, Delete: { Objects, Quiet: true } }),
    );
    expect(Deleted).toBeUndefined();
    expect(Errors).toMatchObject([{ Key: "tagged/2", Code: "PreconditionFailed" }]);
  });

  test("have no tags and one version, and tell their attributes", async () => {
    await put("attributed", "0123456789", { ChecksumAlgorithm: "SHA256" });
    expect((await alice.send(new GetObjectTaggingCommand({ Bucket, Key: "attributed" }))).TagSet).toEqual([]);
    const attributes = await alice.send(
      new GetObjectAttributesCommand({
        Bucket,
        Key: "attributed",
        ObjectAttributes: ["ETag", "Checksum", "ObjectSize", "StorageClass"],
      }),
    );
    expect(attributes).toMatchObject({
      ETag: "781e5e245d69b566979b86e28d23f2c7",
      ObjectSize: 10,
      StorageClass: "STANDARD",
    });
    const sha256 = new Bun.CryptoHasher("sha256").update("0123456789").digest("base64");
    expect(attributes.Checksum!.ChecksumSHA256).toBe(sha256);
  });
});

describe("checksums", () => {
  test.each(["CRC32", "CRC32C", "CRC64NVME", "SHA1", "SHA256"] as const)(
    "%s of the SDK is verified, kept, and verified by the SDK again",
    async (ChecksumAlgorithm) => {
      const Body = systemRandom.bytes(300_000);
      const stored = await put("summed", Body, { ChecksumAlgorithm });
      const field = `Checksum${ChecksumAlgorithm}` as const;
      expect(stored[field]).toMatch(/^[A-Za-z0-9+/]+=*$/);
      const got = await alice.send(new GetObjectCommand({ Bucket, Key: "summed", ChecksumMode: "ENABLED" }));
      expect(got[field]).toBe(stored[field]!);
      expect(Body.equals(Buffer.from(await got.Body!.transformToByteArray()))).toBe(true);
      const copied = await alice.send(
        new CopyObjectCommand({ Bucket, Key: "summed-copy", CopySource: `${Bucket}/summed` }),
      );
      expect(copied.CopyObjectResult![field]).toBe(stored[field]!);
    },
  );

  test("that do not fit are BadDigest, and nothing is stored", async () => {
    const wrong = put("wrong", "body", { ChecksumCRC32: "AAAAAA==" });
    expect(await failure(wrong)).toEqual([400, "BadDigest"]);
    expect(await failure(alice.send(new HeadObjectCommand({ Bucket, Key: "wrong" })))).toEqual([
      404,
      "NotFound",
    ]);
  });
});

describe("conditions", () => {
  test("reads: 304, 412 and 416 as HTTP has them", async () => {
    const { ETag } = await put("conditional", "0123456789");
    const get = (more: object) =>
      failure(alice.send(new GetObjectCommand({ Bucket, Key: "conditional", ...more })));
    expect((await get({ IfNoneMatch: ETag }))[0]).toBe(304);
    expect(await get({ IfMatch: '"other"' })).toEqual([412, "PreconditionFailed"]);
    expect(await get({ IfUnmodifiedSince: new Date(0) })).toEqual([412, "PreconditionFailed"]);
    expect((await get({ IfModifiedSince: new Date(Date.now() + 60_000) }))[0]).toBe(304);
    expect(await get({ Range: "bytes=10-" })).toEqual([416, "InvalidRange"]);
    expect(await get({ IfMatch: ETag })).toEqual([undefined, "no error"]);
  });

  test("of many who create a key, exactly one wins (P6)", async () => {
    const attempts = Array.from({ length: 16 }, (_, index) =>
      failure(put("only-once", String(index), { IfNoneMatch: "*" })),
    );
    const outcomes = await Promise.all(attempts);
    expect(outcomes.filter(([status]) => status === undefined)).toHaveLength(1);
    expect(outcomes.filter(([status]) => status === 412)).toHaveLength(15);
    const winner = outcomes.findIndex(([status]) => status === undefined);
    expect(await text("only-once")).toBe(String(winner));
  });

  test("of many who replace one version, exactly one wins; a missing key is 404", async () => {
    const { ETag } = await put("replaced", "first");
    const outcomes = await Promise.all(
      Array.from({ length: 8 }, (_, index) => failure(put("replaced", String(index), { IfMatch: ETag }))),
    );
    expect(outcomes.map(([status]) => status ?? 200).sort()).toEqual([200, ...Array(7).fill(412)]);
    expect(await failure(put("never-there", "x", { IfMatch: ETag }))).toEqual([404, "NoSuchKey"]);
  });
});

describe("copies", () => {
  test("refer to the same data and outlive their source", async () => {
    const Body = systemRandom.bytes(3 << 20);
    await put("source", Body, { Metadata: { a: "1" } });
    await alice.send(new CopyObjectCommand({ Bucket, Key: "target", CopySource: `/${Bucket}/source` }));
    await alice.send(new DeleteObjectCommand({ Bucket, Key: "source" }));
    const got = await alice.send(new GetObjectCommand({ Bucket, Key: "target" }));
    expect(got.Metadata).toEqual({ a: "1" });
    expect(Body.equals(Buffer.from(await got.Body!.transformToByteArray()))).toBe(true);
  });

  test("hold to the conditions on their source and their target", async () => {
    const { ETag } = await put("from", "body");
    const copy = (more: object) =>
      failure(
        alice.send(new CopyObjectCommand({ Bucket, Key: "to", CopySource: `${Bucket}/from`, ...more })),
      );
    expect(await copy({ CopySourceIfMatch: '"other"' })).toEqual([412, "PreconditionFailed"]);
    expect(await copy({ CopySourceIfNoneMatch: ETag })).toEqual([412, "PreconditionFailed"]);
    expect(await copy({ CopySourceIfMatch: ETag, IfNoneMatch: "*" })).toEqual([undefined, "no error"]);
    expect(await copy({ CopySourceIfMatch: ETag, IfNoneMatch: "*" })).toEqual([412, "PreconditionFailed"]);
  });

  test("replace metadata in place, keeping data and checksum", async () => {
    const { ChecksumCRC32 } = await put("in-place", "body", { Metadata: { a: "1" } });
    await alice.send(
      new CopyObjectCommand({
        Bucket,
        Key: "in-place",
        CopySource: `${Bucket}/in-place`,
        MetadataDirective: "REPLACE",
        Metadata: { b: "2" },
        ContentType: "text/plain",
      }),
    );
    const got = await alice.send(new GetObjectCommand({ Bucket, Key: "in-place", ChecksumMode: "ENABLED" }));
    expect(got).toMatchObject({ Metadata: { b: "2" }, ContentType: "text/plain", ChecksumCRC32 });
    expect(await got.Body!.transformToString()).toBe("body");
  });
});

describe("presigned URLs", () => {
  test("give and take an object without any header", async () => {
    const putUrl = await getSignedUrl(alice, new PutObjectCommand({ Bucket, Key: "signed é" }));
    expect((await fetch(putUrl, { method: "PUT", body: "by link" })).status).toBe(200);
    const command = new GetObjectCommand({ Bucket, Key: "signed é", ResponseContentType: "text/x-link" });
    const response = await fetch(await getSignedUrl(alice, command));
    expect([response.status, response.headers.get("content-type"), await response.text()]).toEqual([
      200,
      "text/x-link",
      "by link",
    ]);
  });

  test("of another key are refused", async () => {
    const url = await getSignedUrl(alice, new GetObjectCommand({ Bucket, Key: "signed é" }));
    const response = await fetch(url.replace("/signed", "/secret"));
    expect(response.status).toBe(403);
    expect(await response.text()).toContain("<Code>SignatureDoesNotMatch</Code>");
  });
});
