// Multipart uploads through the AWS SDK at its defaults, on a real master and real chunkservers.
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import {
  AbortMultipartUploadCommand,
  type CompletedPart,
  CompleteMultipartUploadCommand,
  type CompleteMultipartUploadCommandInput,
  CreateBucketCommand,
  CreateMultipartUploadCommand,
  type CreateMultipartUploadCommandInput,
  GetObjectAttributesCommand,
  GetObjectCommand,
  HeadObjectCommand,
  ListMultipartUploadsCommand,
  ListPartsCommand,
  PutObjectCommand,
  type S3Client,
  type S3ServiceException,
  UploadPartCommand,
  UploadPartCopyCommand,
} from "@aws-sdk/client-s3";
import { Upload } from "@aws-sdk/lib-storage";
import { systemRandom } from "../../../std/random.ts";
import { StorageCluster } from "../testing/cluster.ts";

const MIB = 1 << 20;
const Bucket = "multipart-bucket";

let cluster: StorageCluster;
let alice: S3Client;
const first = systemRandom.bytes(5 * MIB);
const second = systemRandom.bytes(5 * MIB + 3);
const last = systemRandom.bytes(17);

beforeAll(async () => {
  cluster = await StorageCluster.start();
  alice = cluster.client("alice");
  await alice.send(new CreateBucketCommand({ Bucket }));
}, 30_000);

afterAll(() => cluster.stop(), 30_000);

async function failure(request: Promise<unknown>): Promise<[number | undefined, string]> {
  try {
    await request;
  } catch (error) {
    const { $metadata, name } = error as S3ServiceException;
    return [$metadata?.httpStatusCode, name];
  }
  return [undefined, "no error"];
}

function md5(...pieces: Uint8Array[]): Buffer {
  const hash = new Bun.CryptoHasher("md5");
  for (const piece of pieces) hash.update(piece);
  return hash.digest();
}

/** The entity tag of an object made of `parts`. */
function multipartTag(parts: Uint8Array[]): string {
  return `"${md5(...parts.map((part) => md5(part))).toString("hex")}-${parts.length}"`;
}

class Multipart {
  readonly parts: CompletedPart[] = [];

  private constructor(
    readonly Key: string,
    readonly UploadId: string,
  ) {}

  static async begin(Key: string, more: Partial<CreateMultipartUploadCommandInput> = {}): Promise<Multipart> {
    const { UploadId } = await alice.send(new CreateMultipartUploadCommand({ Bucket, Key, ...more }));
    return new Multipart(Key, UploadId!);
  }

  async upload(PartNumber: number, Body: Uint8Array, more: object = {}): Promise<void> {
    const { $metadata, ...part } = await alice.send(
      new UploadPartCommand({ ...this.place, PartNumber, Body, ...more }),
    );
    this.parts.push({ PartNumber, ...part });
  }

  complete(more: Partial<CompleteMultipartUploadCommandInput> = {}) {
    return alice.send(
      new CompleteMultipartUploadCommand({ ...this.place, MultipartUpload: { Parts: this.parts }, ...more }),
    );
  }

  get place() {
    return { Bucket, Key: this.Key, UploadId: this.UploadId };
  }
}

async function bytes(Key: string, more: object = {}): Promise<Buffer> {
  const { Body } = await alice.send(new GetObjectCommand({ Bucket, Key, ...more }));
  return Buffer.from(await Body!.transformToByteArray());
}

describe("an upload in parts", () => {
  test("becomes one object of the parts in order, with headers of its creation", async () => {
    const upload = await Multipart.begin("parts", { ContentType: "text/x-parts", Metadata: { a: "1" } });
    await upload.upload(2, second);
    await upload.upload(1, first);
    await upload.upload(9999, last);
    upload.parts.sort((a, b) => a.PartNumber! - b.PartNumber!);
    const completed = await upload.complete();
    expect(completed).toMatchObject({ Bucket, Key: "parts", ETag: multipartTag([first, second, last]) });
    expect(Buffer.concat([first, second, last]).equals(await bytes("parts"))).toBe(true);
    const head = await alice.send(new HeadObjectCommand({ Bucket, Key: "parts" }));
    expect(head).toMatchObject({ ContentType: "text/x-parts", Metadata: { a: "1" }, ETag: completed.ETag });
  });

  test("is read part by part", async () => {
    const get = (PartNumber: number) =>
      alice.send(new GetObjectCommand({ Bucket, Key: "parts", PartNumber }));
    const middle = await get(2);
    expect([middle.PartsCount, middle.ContentLength]).toEqual([3, second.length]);
    expect(middle.ContentRange).toBe(
      `bytes ${first.length}-${first.length + second.length - 1}/${first.length + second.length + last.length}`,
    );
    expect(second.equals(Buffer.from(await middle.Body!.transformToByteArray()))).toBe(true);
    expect((await failure(get(4)))[0]).toBe(416);
    const { ObjectParts } = await alice.send(
      new GetObjectAttributesCommand({ Bucket, Key: "parts", ObjectAttributes: ["ObjectParts"] }),
    );
    expect(ObjectParts!.TotalPartsCount).toBe(3);
    expect(ObjectParts!.Parts!.map(({ Size }) => Size)).toEqual([first.length, second.length, last.length]);
  });

  test("is read across parts by range", async () => {
    const whole = Buffer.concat([first, second, last]);
    const Range = `bytes=${first.length - 10}-${first.length + second.length + 4}`;
    const expected = whole.subarray(first.length - 10, first.length + second.length + 5);
    expect(expected.equals(await bytes("parts", { Range }))).toBe(true);
  });

  test("takes the last upload of a part, and leaves out what is not named", async () => {
    const upload = await Multipart.begin("redone");
    await upload.upload(1, second);
    await upload.upload(2, last);
    upload.parts.length = 0;
    await upload.upload(1, first);
    await upload.complete();
    expect(first.equals(await bytes("redone"))).toBe(true);
  });

  test("is completed again with the same answer", async () => {
    const upload = await Multipart.begin("twice");
    await upload.upload(1, first);
    await upload.upload(2, last);
    const once = await upload.complete();
    const again = await upload.complete();
    expect([again.ETag, again.ChecksumCRC32]).toEqual([once.ETag, once.ChecksumCRC32]);
  });

  test("is not there before it is completed, and not after it is aborted", async () => {
    const upload = await Multipart.begin("aborted");
    await upload.upload(1, first);
    expect(await failure(bytes("aborted"))).toEqual([404, "NoSuchKey"]);
    await alice.send(new AbortMultipartUploadCommand(upload.place));
    expect(await failure(upload.complete())).toEqual([404, "NoSuchUpload"]);
    expect(await failure(upload.upload(2, last))).toEqual([404, "NoSuchUpload"]);
    expect(await failure(alice.send(new ListPartsCommand(upload.place)))).toEqual([404, "NoSuchUpload"]);
    expect(await failure(bytes("aborted"))).toEqual([404, "NoSuchKey"]);
  });

  test("holds to conditions at its completion, one winner each (P6)", async () => {
    const uploads = await Promise.all(Array.from({ length: 4 }, () => Multipart.begin("once")));
    await Promise.all(uploads.map((upload) => upload.upload(1, last)));
    const outcomes = await Promise.all(
      uploads.map((upload) => failure(upload.complete({ IfNoneMatch: "*" }))),
    );
    expect(outcomes.map(([status]) => status ?? 200).sort()).toEqual([200, 412, 412, 412]);
    const other = await Multipart.begin("once");
    await other.upload(1, first);
    expect(await failure(other.complete({ IfMatch: '"other"' }))).toEqual([412, "PreconditionFailed"]);
  });
});

describe("a completion is refused", () => {
  test("with a part that is too small, not the last", async () => {
    const upload = await Multipart.begin("small");
    await upload.upload(1, last);
    await upload.upload(2, last);
    expect(await failure(upload.complete())).toEqual([400, "EntityTooSmall"]);
  });

  test("with parts out of order, unknown, of another tag, or none", async () => {
    const upload = await Multipart.begin("wrong");
    await upload.upload(1, first);
    await upload.upload(2, last);
    const [one, two] = upload.parts as [CompletedPart, CompletedPart];
    const complete = (...Parts: CompletedPart[]) => failure(upload.complete({ MultipartUpload: { Parts } }));
    expect(await complete(two, one)).toEqual([400, "InvalidPartOrder"]);
    expect(await complete(one, one)).toEqual([400, "InvalidPartOrder"]);
    expect(await complete(one, { ...two, PartNumber: 3 })).toEqual([400, "InvalidPart"]);
    expect(await complete(one, { ...two, ETag: one.ETag })).toEqual([400, "InvalidPart"]);
    expect(await complete()).toEqual([400, "MalformedXML"]);
    expect(await complete(one, two)).toEqual([undefined, "no error"]);
  });

  test("with another size or checksum than the client expects", async () => {
    const upload = await Multipart.begin("expected", {
      ChecksumAlgorithm: "CRC32",
      ChecksumType: "FULL_OBJECT",
    });
    await upload.upload(1, last, { ChecksumAlgorithm: "CRC32" });
    expect(await failure(upload.complete({ MpuObjectSize: 16 }))).toEqual([400, "InvalidRequest"]);
    expect(await failure(upload.complete({ ChecksumCRC32: "AAAAAA==" }))).toEqual([400, "BadDigest"]);
    expect(await failure(upload.complete({ MpuObjectSize: 17 }))).toEqual([undefined, "no error"]);
  });

  test("of an upload or part that cannot be", async () => {
    const upload = await Multipart.begin("limits");
    expect(await failure(upload.upload(10_001, last))).toEqual([400, "InvalidArgument"]);
    expect(await failure(upload.upload(0, last))).toEqual([400, "InvalidArgument"]);
    const unknown = { Bucket, Key: "limits", UploadId: "no-such-upload" };
    const part = alice.send(new UploadPartCommand({ ...unknown, PartNumber: 1, Body: last }));
    expect(await failure(part)).toEqual([404, "NoSuchUpload"]);
  });
});

test("E11: an upload is good for the bucket and key that it was begun for, and for nobody who may not write there", async () => {
  const upload = await Multipart.begin("begun-here");
  await upload.upload(1, last);
  const MultipartUpload = { Parts: upload.parts };
  await cluster.client("bob").send(new CreateBucketCommand({ Bucket: "bobs-own-bucket" }));
  const bob = cluster.client("bob");
  const elsewhere: [S3Client, { Bucket: string; Key: string }, string][] = [
    [alice, { Bucket, Key: "begun-elsewhere" }, "NoSuchUpload"],
    [bob, { Bucket: "bobs-own-bucket", Key: "begun-here" }, "NoSuchUpload"],
    [bob, { Bucket, Key: "begun-here" }, "AccessDenied"],
  ];
  for (const [client, where, code] of elsewhere) {
    const place = { ...where, UploadId: upload.UploadId };
    const asked = [
      () => client.send(new UploadPartCommand({ ...place, PartNumber: 1, Body: first })),
      () => client.send(new ListPartsCommand(place)),
      () => client.send(new CompleteMultipartUploadCommand({ ...place, MultipartUpload })),
      () => client.send(new AbortMultipartUploadCommand(place)),
    ];
    for (const ask of asked) expect([where, (await failure(ask()))[1]]).toEqual([where, code]);
  }
  await upload.complete();
  expect(await bytes("begun-here")).toEqual(last);
});

describe("checksums of an upload in parts", () => {
  function composite(algorithm: "sha1" | "sha256"): string {
    const hash = (piece: Uint8Array) => new Bun.CryptoHasher(algorithm).update(piece).digest();
    return `${hash(Buffer.concat([hash(first), hash(last)])).toString("base64")}-2`;
  }

  test.each([
    ["SHA256", composite("sha256")],
    ["SHA1", composite("sha1")],
  ] as const)("%s is composite", async (ChecksumAlgorithm, expected) => {
    const upload = await Multipart.begin("composite", { ChecksumAlgorithm });
    await upload.upload(1, first, { ChecksumAlgorithm });
    await upload.upload(2, last, { ChecksumAlgorithm });
    const completed = await upload.complete();
    expect([completed[`Checksum${ChecksumAlgorithm}`], completed.ChecksumType]).toEqual([
      expected,
      "COMPOSITE",
    ]);
    const head = await alice.send(
      new HeadObjectCommand({ Bucket, Key: "composite", ChecksumMode: "ENABLED" }),
    );
    expect([head[`Checksum${ChecksumAlgorithm}`], head.ChecksumType]).toEqual([expected, "COMPOSITE"]);
    expect(Buffer.concat([first, last]).equals(await bytes("composite", { ChecksumMode: "ENABLED" }))).toBe(
      true,
    );
  });

  test.each(["CRC32", "CRC32C", "CRC64NVME"] as const)(
    "%s of the full object is that of its bytes",
    async (ChecksumAlgorithm) => {
      const whole = Buffer.concat([first, last]);
      const field = `Checksum${ChecksumAlgorithm}` as const;
      const reference = await alice.send(
        new PutObjectCommand({ Bucket, Key: "reference", Body: whole, ChecksumAlgorithm }),
      );
      const upload = await Multipart.begin("full", { ChecksumAlgorithm, ChecksumType: "FULL_OBJECT" });
      await upload.upload(1, first, { ChecksumAlgorithm });
      await upload.upload(2, last, { ChecksumAlgorithm });
      const completed = await upload.complete({ [field]: reference[field] });
      expect([completed[field], completed.ChecksumType]).toEqual([reference[field]!, "FULL_OBJECT"]);
      expect(whole.equals(await bytes("full", { ChecksumMode: "ENABLED" }))).toBe(true);
    },
  );

  test("a part with another algorithm than its upload's is refused", async () => {
    const upload = await Multipart.begin("mixed", { ChecksumAlgorithm: "SHA256" });
    const wrong = upload.upload(1, last, { ChecksumAlgorithm: "CRC32C" });
    expect(await failure(wrong)).toEqual([400, "InvalidRequest"]);
  });

  test("types that an algorithm does not have are refused", async () => {
    const begin = (more: object) => failure(Multipart.begin("types", more));
    const sha = { ChecksumAlgorithm: "SHA256", ChecksumType: "FULL_OBJECT" };
    expect(await begin(sha)).toEqual([400, "InvalidRequest"]);
    const crc = { ChecksumAlgorithm: "CRC64NVME", ChecksumType: "COMPOSITE" };
    expect(await begin(crc)).toEqual([400, "InvalidRequest"]);
  });
});

describe("parts that are copied", () => {
  test("come from another object, whole or a range of it", async () => {
    await alice.send(new PutObjectCommand({ Bucket, Key: "copy source+", Body: second }));
    const upload = await Multipart.begin("copied", { ChecksumAlgorithm: "CRC32" });
    const CopySource = `${Bucket}/copy%20source%2B`;
    const copy = (PartNumber: number, more: object = {}) =>
      alice.send(new UploadPartCopyCommand({ ...upload.place, PartNumber, CopySource, ...more }));
    const { CopyPartResult: whole } = await copy(1);
    const { CopyPartResult: range } = await copy(2, { CopySourceRange: "bytes=3-12" });
    expect(range!.ETag).toBe(`"${md5(second.subarray(3, 13)).toString("hex")}"`);
    upload.parts.push({ PartNumber: 1, ...whole }, { PartNumber: 2, ...range });
    await upload.complete();
    expect(Buffer.concat([second, second.subarray(3, 13)]).equals(await bytes("copied"))).toBe(true);
  });

  test.each([
    ["bytes=0-99999999", "InvalidArgument"],
    ["bytes=5-", "InvalidArgument"],
    ["bytes=9-3", "InvalidArgument"],
  ])("are refused outside of it: %s", async (CopySourceRange, code) => {
    const upload = await Multipart.begin("outside");
    const command = new UploadPartCopyCommand({
      ...upload.place,
      PartNumber: 1,
      CopySource: `${Bucket}/copy%20source%2B`,
      CopySourceRange,
    });
    expect(await failure(alice.send(command))).toEqual([400, code]);
  });

  test("hold to the conditions on their source, and to who may read it", async () => {
    const upload = await Multipart.begin("conditional");
    const copy = { ...upload.place, PartNumber: 1, CopySource: `${Bucket}/copy%20source%2B` };
    const unlike = new UploadPartCopyCommand({ ...copy, CopySourceIfMatch: '"other"' });
    expect(await failure(alice.send(unlike))).toEqual([412, "PreconditionFailed"]);
    const bob = cluster.client("bob");
    await bob.send(new CreateBucketCommand({ Bucket: "bobs-own" }));
    const { UploadId } = await bob.send(new CreateMultipartUploadCommand({ Bucket: "bobs-own", Key: "k" }));
    const stolen = new UploadPartCopyCommand({ ...copy, Bucket: "bobs-own", Key: "k", UploadId });
    expect(await failure(bob.send(stolen))).toEqual([403, "AccessDenied"]);
  });
});

test("parts are listed page by page, with their sizes, tags and checksums", async () => {
  const upload = await Multipart.begin("listed", { ChecksumAlgorithm: "CRC32" });
  for (const number of [1, 2, 5, 7, 10]) await upload.upload(number, last, { ChecksumAlgorithm: "CRC32" });
  const found: CompletedPart[] = [];
  let PartNumberMarker: string | undefined;
  do {
    const page = await alice.send(new ListPartsCommand({ ...upload.place, MaxParts: 2, PartNumberMarker }));
    for (const part of page.Parts!) {
      expect(part.Size).toBe(17);
      found.push({ PartNumber: part.PartNumber, ETag: part.ETag, ChecksumCRC32: part.ChecksumCRC32 });
    }
    PartNumberMarker = page.IsTruncated ? page.NextPartNumberMarker : undefined;
  } while (PartNumberMarker);
  expect(found).toMatchObject(
    upload.parts.map(({ PartNumber, ETag, ChecksumCRC32 }) => ({ PartNumber, ETag, ChecksumCRC32 })),
  );
  expect(found).toHaveLength(5);
});

test("uploads are listed by key and id, page by page, with common prefixes", async () => {
  const keys = ["up/a/1", "up/a/2", "up/b", "up/b", "up/c"];
  const uploads = await Promise.all(keys.map((key) => Multipart.begin(key)));
  const expected = uploads.map(({ Key, UploadId }) => `${Key} ${UploadId}`).sort();
  const found: string[] = [];
  let marker: { KeyMarker?: string; UploadIdMarker?: string } | undefined = {};
  while (marker) {
    const page: Awaited<ReturnType<typeof listPage>> = await listPage(marker);
    for (const { Key, UploadId } of page.Uploads ?? []) found.push(`${Key} ${UploadId}`);
    marker = page.IsTruncated
      ? { KeyMarker: page.NextKeyMarker, UploadIdMarker: page.NextUploadIdMarker }
      : undefined;
  }
  expect(found).toEqual(expected);
  const grouped = await alice.send(
    new ListMultipartUploadsCommand({ Bucket, Prefix: "up/", Delimiter: "/" }),
  );
  expect(grouped.CommonPrefixes).toEqual([{ Prefix: "up/a/" }]);
  expect(grouped.Uploads!.map(({ Key }) => Key)).toEqual(["up/b", "up/b", "up/c"]);
});

function listPage(marker: { KeyMarker?: string; UploadIdMarker?: string }) {
  return alice.send(new ListMultipartUploadsCommand({ Bucket, Prefix: "up/", MaxUploads: 2, ...marker }));
}

test("lib-storage uploads a stream of unknown length", async () => {
  const pieces = Array.from({ length: 13 }, () => systemRandom.bytes(MIB));
  const stream = new ReadableStream<Uint8Array>({
    pull(controller) {
      const piece = pieces[sent++];
      if (piece) controller.enqueue(piece);
      else controller.close();
    },
  });
  let sent = 0;
  const upload = new Upload({
    client: alice,
    params: { Bucket, Key: "streamed", Body: stream },
    partSize: 5 * MIB,
  });
  await upload.done();
  expect(Buffer.concat(pieces).equals(await bytes("streamed", { ChecksumMode: "ENABLED" }))).toBe(true);
});
