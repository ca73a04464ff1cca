// kill -9 of parts of a running cloud, on real processes: what was acknowledged stays, byte for byte.
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { Readable } from "node:stream";
import {
  CreateBucketCommand,
  DeleteObjectCommand,
  GetObjectCommand,
  HeadObjectCommand,
  ListObjectsV2Command,
  PutObjectCommand,
  type S3Client,
} from "@aws-sdk/client-s3";
import { Upload } from "@aws-sdk/lib-storage";
import { bytesOf, md5Of, md5OfStream, piecesOf } from "./content.ts";
import { replicaDifferences } from "./replicas.ts";
import { type Skerry, startSkerry, until } from "./skerry.ts";

const BUCKET = "faults";
const UPLOAD_SIZE = 500_000_000;
const PART_SIZE = 16 << 20;

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

async function pidOf(name: string): Promise<number> {
  const role = (await cloud.roles()).find((candidate) => candidate.name === name);
  if (!role) throw new Error(`no role ${name}`);
  return role.pid;
}

async function md5OfObject(key: string): Promise<string> {
  const { Body } = await client.send(new GetObjectCommand({ Bucket: BUCKET, Key: key }));
  return md5OfStream(Body as AsyncIterable<Uint8Array>);
}

describe("kill -9 of a chunkserver in the middle of a 500 MB upload", () => {
  for (const name of ["chunkd-1", "chunkd-2", "chunkd-3"]) {
    test(`${name}: the upload succeeds and the object is byte-equal`, async () => {
      const seed = Number(name.at(-1));
      const pid = await pidOf(name);
      let killed = false;
      const upload = new Upload({
        client,
        params: { Bucket: BUCKET, Key: name, Body: Readable.from(piecesOf(seed, UPLOAD_SIZE)) },
        partSize: PART_SIZE,
        queueSize: 4,
      });
      upload.on("httpUploadProgress", ({ loaded = 0 }) => {
        if (killed || loaded < UPLOAD_SIZE / 3) return;
        killed = true;
        process.kill(pid, "SIGKILL");
      });
      await upload.done();
      expect(killed).toBe(true);
      expect(await md5OfObject(name)).toBe(md5Of(piecesOf(seed, UPLOAD_SIZE)));
      await until(async () => (await pidOf(name)) !== pid);
    }, 180_000);
  }

  test("afterwards each chunk is back at three equal replicas", async () => {
    await cloud.stop();
    await cloud.start();
    await until(async () => (await replicaDifferences(cloud.directory)).length === 0, 120_000);
    expect(await replicaDifferences(cloud.directory)).toEqual([]);
  }, 240_000);
});

/** Overwrites and deletes a few keys for ever, and remembers what the cloud acknowledged. */
class Writer {
  readonly acknowledged = new Map<string, number | null>();
  readonly inDoubt = new Map<string, (number | null)[]>();
  private stopped = false;
  writes = 0;

  constructor(private readonly prefix: string) {}

  async run(): Promise<void> {
    for (let seed = 1; !this.stopped; seed++) {
      const key = `${this.prefix}/${seed % 7}`;
      const wanted = seed % 5 === 0 ? null : seed;
      this.inDoubt.set(key, [...(this.inDoubt.get(key) ?? []), wanted]);
      try {
        await this.apply(key, wanted);
        this.acknowledged.set(key, wanted);
        this.inDoubt.delete(key);
        this.writes++;
      } catch {
        // Not acknowledged: it may be there or not, but nothing in between.
        await Bun.sleep(20);
      }
    }
  }

  private async apply(key: string, seed: number | null): Promise<void> {
    const name = { Bucket: BUCKET, Key: key };
    if (seed === null) await client.send(new DeleteObjectCommand(name));
    else await client.send(new PutObjectCommand({ ...name, Body: bytesOf(seed, sizeOf(seed)) }));
  }

  stop(): void {
    this.stopped = true;
  }
}

function sizeOf(seed: number): number {
  return seed % 11 === 0 ? 3_000_000 + seed : 1 + ((seed * 7919) % 40_000);
}

async function presentSeed(key: string, candidates: (number | null)[]): Promise<number | null | "torn"> {
  let body: Uint8Array;
  try {
    const { Body } = await client.send(new GetObjectCommand({ Bucket: BUCKET, Key: key }));
    body = await Body!.transformToByteArray();
  } catch (error) {
    if ((error as Error).name === "NoSuchKey") return null;
    throw error;
  }
  for (const seed of candidates) {
    if (seed !== null && Buffer.compare(bytesOf(seed, sizeOf(seed)), Buffer.from(body)) === 0) return seed;
  }
  return "torn";
}

async function audit(writers: Writer[]): Promise<void> {
  for (const { acknowledged, inDoubt } of writers) {
    for (const key of new Set([...acknowledged.keys(), ...inDoubt.keys()])) {
      const allowed = [acknowledged.get(key) ?? null, ...(inDoubt.get(key) ?? [])];
      expect(allowed).toContain((await presentSeed(key, allowed)) as number | null);
    }
  }
  const listed = await client.send(new ListObjectsV2Command({ Bucket: BUCKET }));
  for (const { Key } of listed.Contents ?? []) {
    await client.send(new HeadObjectCommand({ Bucket: BUCKET, Key }));
  }
}

describe("kill -9 during writes", () => {
  async function underWrites(prefix: string, fault: () => Promise<void>): Promise<void> {
    const writers = Array.from({ length: 6 }, (_, i) => new Writer(`${prefix}-${i}`));
    const running = writers.map((writer) => writer.run());
    const total = () => writers.reduce((sum, { writes }) => sum + writes, 0);
    await until(() => total() > 100);
    await fault();
    const before = total();
    await until(() => total() > before + 100);
    for (const writer of writers) writer.stop();
    await Promise.all(running);
    await audit(writers);
  }

  test("of masterd: every acknowledged object is there, none is torn", async () => {
    await underWrites("master", async () => {
      const pid = await pidOf("masterd");
      process.kill(pid, "SIGKILL");
      await until(async () => (await pidOf("masterd")) !== pid);
    });
  }, 120_000);

  test("of the edge, with the S3 API in it", async () => {
    await underWrites("edge", async () => {
      process.kill(await pidOf("edge"), "SIGKILL");
    });
  }, 120_000);

  test("of everything at once: the same after the restart", async () => {
    await underWrites("all", async () => {
      await cloud.killEverything();
      await cloud.start();
    });
  }, 180_000);
});
