// Backup while serving and restore, on a whole cloud: the older state comes back and is readable, and what came after it
// is still on the disks.
import { afterAll, beforeAll, expect, test } from "bun:test";
import { existsSync, readdirSync, statSync } from "node:fs";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  CreateBucketCommand,
  DeleteObjectCommand,
  GetObjectCommand,
  ListObjectsV2Command,
  PutObjectCommand,
  type S3Client,
} from "@aws-sdk/client-s3";
import type { FilePart } from "../../masterd/store/backup-file.ts";
import { systemDisk } from "../../std/disk.ts";
import { readCloudBackup } from "../backup/read-backup.ts";
import { chunkDirectories } from "./replicas.ts";
import { type Skerry, skerry, startSkerry } from "./skerry.ts";

const BUCKET = "kept";
let cloud: Skerry;
let client: S3Client;
let elsewhere: string;

beforeAll(async () => {
  cloud = await startSkerry();
  client = cloud.client();
  elsewhere = await mkdtemp(join(tmpdir(), "skerry-backup-"));
  await client.send(new CreateBucketCommand({ Bucket: BUCKET }));
}, 180_000);

afterAll(async () => {
  await cloud?.[Symbol.asyncDispose]();
  await rm(elsewhere, { recursive: true, force: true });
}, 60_000);

const put = (Key: string, Body: string) => client.send(new PutObjectCommand({ Bucket: BUCKET, Key, Body }));

async function bodyOf(Key: string): Promise<string> {
  const { Body } = await client.send(new GetObjectCommand({ Bucket: BUCKET, Key }));
  return Body!.transformToString();
}

async function listed(): Promise<string[]> {
  const { Contents = [] } = await client.send(new ListObjectsV2Command({ Bucket: BUCKET }));
  return Contents.map(({ Key }) => Key!);
}

const chunkNames = (): string[] =>
  chunkDirectories(cloud.directory)
    .flatMap((path) => readdirSync(path))
    .sort();

test("an older backup comes back, and nothing that came later is deleted", async () => {
  const backup = join(elsewhere, "backup");
  for (let i = 0; i < 20; i++) await put(`before/${i}`, `value ${i}`);
  let stop = false;
  const busy = (async () => {
    for (let i = 0; !stop; i++) await put(`busy/${i % 50}`, `busy ${i}`);
  })();
  const taken = await skerry("backup", "--data", cloud.directory, "--to", backup);
  stop = true;
  await busy;
  expect([taken.code, taken.stderr.includes("error")]).toEqual([0, false]);
  expect(statSync(backup).mode & 0o777).toBe(0o600);

  const again = await skerry("backup", "--data", cloud.directory, "--to", backup);
  expect([again.code, again.stderr]).toEqual([1, expect.stringContaining("is there already")]);
  const running = await skerry("restore", "--data", cloud.directory, "--from", backup);
  expect([running.code, running.stderr]).toEqual([1, expect.stringContaining("already served")]);

  for (let i = 0; i < 10; i++) await put(`after/${i}`, "later");
  await put("before/0", "overwritten");
  await client.send(new DeleteObjectCommand({ Bucket: BUCKET, Key: "before/1" }));
  await cloud.stop();
  const chunks = chunkNames();

  const damaged = join(elsewhere, "damaged");
  const bytes = await readFile(backup);
  bytes[Math.floor(bytes.length / 2)]! ^= 1;
  await writeFile(damaged, bytes);
  const refused = await skerry("restore", "--data", cloud.directory, "--from", damaged);
  expect([refused.code, refused.stderr]).toEqual([1, expect.stringContaining("damaged")]);
  expect(readdirSync(cloud.directory).filter((name) => name.startsWith("masterd"))).toEqual(["masterd"]);

  const stopped = await skerry("backup", "--data", cloud.directory, "--to", join(elsewhere, "stopped"));
  expect([stopped.code, stopped.stdout]).toEqual([0, expect.stringMatching(/objects in 1 bucket/)]);

  const restored = await skerry("restore", "--data", cloud.directory, "--from", backup);
  expect([restored.code, restored.stdout]).toEqual([0, expect.stringContaining("restored")]);
  await cloud.start();
  const keys = await listed();
  expect(keys.filter((key) => key.startsWith("before/")).length).toBe(20);
  expect(keys.filter((key) => key.startsWith("after/"))).toEqual([]);
  for (let i = 0; i < 20; i++) expect(await bodyOf(`before/${i}`)).toBe(`value ${i}`);
  await put("new", "goes on");
  expect(await bodyOf("new")).toBe("goes on");
  expect(chunks.filter((name) => !chunkNames().includes(name))).toEqual([]);
  const accepted = await skerry("restore", "--accept", "--data", cloud.directory);
  expect([accepted.code, accepted.stdout]).toEqual([0, expect.stringMatching(/^\d+ replicas/)]);
  for (let i = 0; i < 20; i++) expect(await bodyOf(`before/${i}`)).toBe(`value ${i}`);
}, 240_000);

test("a backup of another cluster is refused, and a new directory takes its identity", async () => {
  const backup = join(elsewhere, "backup-2");
  await skerry("backup", "--data", cloud.directory, "--to", backup);
  const fresh = join(elsewhere, "fresh");
  const made = await skerry("restore", "--data", fresh, "--from", backup);
  expect([made.code, made.stderr.includes("skerry:")]).toEqual([0, false]);
  const clusterOf = async (directory: string) =>
    (JSON.parse(await readFile(join(directory, "cluster.json"), "utf8")) as { clusterId: string }).clusterId;
  expect(await clusterOf(fresh)).toBe(await clusterOf(cloud.directory));
  expect(existsSync(join(fresh, "masterd", "identity.json"))).toBe(true);
  // What earlier versions wrote: the metadata without anything around it.
  const earlier = join(elsewhere, "earlier");
  const { storage } = await readCloudBackup(systemDisk, backup);
  const { offset, size } = storage as FilePart;
  await writeFile(earlier, (await readFile(backup)).subarray(offset, offset + size));
  const bare = join(elsewhere, "bare");
  const old = await skerry("restore", "--data", bare, "--from", earlier);
  expect([old.code, old.stdout]).toEqual([0, expect.stringMatching(/^restored \d+ objects in 1 bucket/)]);
  expect(await clusterOf(bare)).toBe(await clusterOf(cloud.directory));
  expect([existsSync(join(bare, "masterd")), existsSync(join(bare, "postgres"))]).toEqual([true, false]);

  const cluster = join(fresh, "cluster.json");
  const other = (await readFile(cluster, "utf8")).replace(await clusterOf(fresh), "f".repeat(32));
  await writeFile(cluster, other);
  const refused = await skerry("restore", "--data", fresh, "--from", backup);
  expect([refused.code, refused.stderr]).toEqual([1, expect.stringContaining("is of the cluster")]);
}, 120_000);
