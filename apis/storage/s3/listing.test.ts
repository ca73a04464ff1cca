// LIST through the AWS SDK on a real master, against a model: what S3 documents, written down naively.
import { afterAll, beforeAll, expect, test } from "bun:test";
import {
  CreateBucketCommand,
  ListObjectsCommand,
  ListObjectsV2Command,
  ListObjectVersionsCommand,
  PutObjectCommand,
  type S3Client,
} from "@aws-sdk/client-s3";
import { StorageCluster } from "../testing/cluster.ts";

const Bucket = "listed-bucket";
const KEYS = [
  "a",
  "a/",
  "a/1",
  "a/2/x",
  "a/2/y",
  "a//",
  "a0",
  "b",
  "b/c/d",
  "b\u00e9",
  "b\u{10000}",
  "b\uffee",
  "c d+e%",
  "c\nd",
  "d<&>\"'",
  "z".repeat(1024),
];

let cluster: StorageCluster;
let alice: S3Client;

beforeAll(async () => {
  cluster = await StorageCluster.start();
  alice = cluster.client("alice");
  await alice.send(new CreateBucketCommand({ Bucket }));
  for (const Key of KEYS) await alice.send(new PutObjectCommand({ Bucket, Key, Body: Key }));
}, 30_000);

afterAll(() => cluster.stop(), 30_000);

const byBytes = (a: string, b: string): number => Buffer.compare(Buffer.from(a), Buffer.from(b));

/** All that a listing must give, in order: `key` or `prefix*`. */
function model(prefix: string, delimiter: string, after = ""): string[] {
  const rows = new Set<string>();
  for (const key of [...KEYS].sort(byBytes)) {
    if (!key.startsWith(prefix) || byBytes(key, after) <= 0) continue;
    const at = delimiter === "" ? -1 : key.indexOf(delimiter, prefix.length);
    rows.add(at < 0 ? key : `${key.slice(0, at + delimiter.length)}*`);
  }
  return [...rows];
}

interface Page {
  Contents?: { Key?: string }[];
  CommonPrefixes?: { Prefix?: string }[];
}

/** The rows of a page, merged in the order of their bytes. */
function rows({ Contents = [], CommonPrefixes = [] }: Page): string[] {
  const keys = Contents.map(({ Key }) => ({ at: Key!, row: Key! }));
  const groups = CommonPrefixes.map(({ Prefix }) => ({ at: Prefix!, row: `${Prefix}*` }));
  return [...keys, ...groups].sort((a, b) => byBytes(a.at, b.at)).map(({ row }) => row);
}

const CASES: [prefix: string, delimiter: string][] = [
  ["", ""],
  ["", "/"],
  ["a", "/"],
  ["a/", "/"],
  ["a/2", "/"],
  ["a/2/", "/"],
  ["b", ""],
  ["c", "d"],
  ["", "2/"],
  ["nothing", "/"],
];

async function listV2(Prefix: string, Delimiter: string, MaxKeys: number): Promise<string[]> {
  const found: string[] = [];
  let ContinuationToken: string | undefined;
  do {
    const page = await alice.send(
      new ListObjectsV2Command({ Bucket, Prefix, Delimiter, MaxKeys, ContinuationToken }),
    );
    const got = rows(page);
    expect(got.length).toBeLessThanOrEqual(MaxKeys);
    expect(page.KeyCount).toBe(got.length);
    expect(page.IsTruncated).toBe(page.NextContinuationToken !== undefined);
    found.push(...got);
    ContinuationToken = page.NextContinuationToken;
  } while (ContinuationToken !== undefined);
  return found;
}

async function listV1(Prefix: string, Delimiter: string, MaxKeys: number): Promise<string[]> {
  const found: string[] = [];
  let Marker: string | undefined;
  for (;;) {
    const page = await alice.send(new ListObjectsCommand({ Bucket, Prefix, Delimiter, MaxKeys, Marker }));
    found.push(...rows(page));
    if (!page.IsTruncated) return found;
    // Without a delimiter S3 sends no NextMarker: the last key is it.
    expect(page.NextMarker === undefined).toBe(Delimiter === "");
    Marker = page.NextMarker ?? page.Contents!.at(-1)!.Key;
  }
}

for (const [prefix, delimiter] of CASES) {
  test(`prefix ${JSON.stringify(prefix)}, delimiter ${JSON.stringify(delimiter)}: any page size gives the same`, async () => {
    const expected = model(prefix, delimiter);
    for (const max of [1, 2, 3, 7, 1000]) {
      expect(await listV2(prefix, delimiter, max)).toEqual(expected);
      expect(await listV1(prefix, delimiter, max)).toEqual(expected);
    }
  });
}

test.each(["a", "a/1", "a0", "b\u00e9", "zz", "0"])(
  "StartAfter %p lists what is behind it",
  async (StartAfter) => {
    const page = await alice.send(new ListObjectsV2Command({ Bucket, StartAfter }));
    expect(rows(page)).toEqual(model("", "", StartAfter));
  },
);

test("url encoding gives the same keys percent-encoded", async () => {
  const { Contents, EncodingType } = await alice.send(
    new ListObjectsV2Command({ Bucket, EncodingType: "url" }),
  );
  expect(EncodingType).toBe("url");
  expect(Contents!.map(({ Key }) => decodeURIComponent(Key!))).toEqual(model("", ""));
  for (const { Key } of Contents!) expect(Key).toMatch(/^[\w.~*/%-]+$/);
});

test("rows tell size, tag, owner on request; a page of none does not go on", async () => {
  const { Contents } = await alice.send(new ListObjectsV2Command({ Bucket, FetchOwner: true, MaxKeys: 1 }));
  expect(Contents).toMatchObject([
    {
      Key: "a",
      Size: 1,
      ETag: '"0cc175b9c0f1b6a831c399e269772661"',
      StorageClass: "STANDARD",
      Owner: { ID: "id-alice" },
      ChecksumAlgorithm: ["CRC32"],
    },
  ]);
  const none = await alice.send(new ListObjectsV2Command({ Bucket, MaxKeys: 0 }));
  expect([none.IsTruncated, none.KeyCount, none.Contents]).toEqual([false, 0, undefined]);
});

test("versions are the objects, each its own null version", async () => {
  const found: (string | undefined)[] = [];
  let KeyMarker: string | undefined;
  do {
    const page = await alice.send(new ListObjectVersionsCommand({ Bucket, MaxKeys: 5, KeyMarker }));
    for (const { Key, VersionId, IsLatest } of page.Versions!) {
      found.push(Key);
      expect([VersionId, IsLatest]).toEqual(["null", true]);
    }
    KeyMarker = page.IsTruncated ? page.NextKeyMarker : undefined;
  } while (KeyMarker !== undefined);
  expect(found).toEqual(model("", ""));
});
