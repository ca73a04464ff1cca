// A long random history through the S3 API against a model in memory: LIST and content agree, replicas are equal.
import { afterAll, beforeAll, expect, test } from "bun:test";
import {
  CreateBucketCommand,
  DeleteObjectCommand,
  DeleteObjectsCommand,
  GetObjectCommand,
  ListObjectsV2Command,
  PutObjectCommand,
  type S3Client,
} from "@aws-sdk/client-s3";
import { bytesOf } from "./content.ts";
import { replicaDifferences } from "./replicas.ts";
import { type Skerry, startSkerry, until } from "./skerry.ts";

const BUCKET = "model";
const OPERATIONS = 10_000;
const WORKERS = 16;
const KEYS = 1_500;
const SEED = 20_261_121;

let cloud: Skerry;
let client: S3Client;

beforeAll(async () => {
  cloud = await startSkerry();
  client = cloud.client();
  await client.send(new CreateBucketCommand({ Bucket: BUCKET }));
}, 180_000);

afterAll(async () => {
  await cloud?.[Symbol.asyncDispose]();
}, 60_000);

/** Keys whose UTF-8 order differs from JavaScript's own, and ones that a careless path would mangle. */
function keyOf(n: number): string {
  const names = [
    "plain",
    "a/b",
    "a//b",
    "ü",
    "\u{1F600}",
    "\uFFEE",
    "sp ace",
    "plus+",
    "per%cent",
    "dot./x",
    "~",
  ];
  return `${names[n % names.length]}/${n % 13}/${n}`;
}

async function list(): Promise<string[]> {
  const keys: string[] = [];
  for (let token: string | undefined, more = true; more; ) {
    const page = await client.send(
      new ListObjectsV2Command({ Bucket: BUCKET, ContinuationToken: token, MaxKeys: 700 }),
    );
    keys.push(...(page.Contents ?? []).map(({ Key }) => Key!));
    token = page.NextContinuationToken;
    more = page.IsTruncated === true;
  }
  return keys;
}

test("after 10,000 random puts, overwrites and deletes LIST and every byte equal the model", async () => {
  const model = new Map<string, number>();
  let state = SEED;
  const random = (below: number) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
  const size = (seed: number) => (seed % 97 === 0 ? 1_200_000 : (seed * 31) % 20_000);

  // Each worker owns its keys, so that the model needs no knowledge of the order in which requests arrive.
  let done = 0;
  await Promise.all(
    Array.from({ length: WORKERS }, async (_, worker) => {
      while (done < OPERATIONS) {
        const seed = ++done;
        const key = keyOf(random(Math.floor(KEYS / WORKERS)) * WORKERS + worker);
        const kind = random(10);
        if (kind < 7) {
          await client.send(
            new PutObjectCommand({ Bucket: BUCKET, Key: key, Body: bytesOf(seed, size(seed)) }),
          );
          model.set(key, seed);
        } else if (kind < 9) {
          await client.send(new DeleteObjectCommand({ Bucket: BUCKET, Key: key }));
          model.delete(key);
        } else {
          const other = keyOf(random(Math.floor(KEYS / WORKERS)) * WORKERS + worker);
          const Objects = [...new Set([key, other])].map((Key) => ({ Key }));
          const { Errors } = await client.send(
            new DeleteObjectsCommand({ Bucket: BUCKET, Delete: { Objects } }),
          );
          expect(Errors ?? []).toEqual([]);
          for (const { Key } of Objects) model.delete(Key);
        }
      }
    }),
  );

  const expected = [...model.keys()].sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
  expect(await list()).toEqual(expected);

  await cloud.killEverything();
  await cloud.start();
  expect(await list()).toEqual(expected);
  for (const [key, seed] of model) {
    const { Body } = await client.send(new GetObjectCommand({ Bucket: BUCKET, Key: key }));
    const body = Buffer.from(await Body!.transformToByteArray());
    expect(Buffer.compare(body, bytesOf(seed, size(seed)))).toBe(0);
  }
  await until(async () => (await replicaDifferences(cloud.directory)).length === 0);
  expect(await replicaDifferences(cloud.directory)).toEqual([]);
}, 300_000);
