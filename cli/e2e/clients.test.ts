// The clients people use, as Debian ships them and as npm ships the SDK: trees and large files in and out, byte-equal.
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { cpSync, lstatSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { open } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Readable } from "node:stream";
import {
  CreateBucketCommand,
  GetObjectCommand,
  HeadObjectCommand,
  ListObjectsV2Command,
  type S3Client,
} from "@aws-sdk/client-s3";
import { Upload } from "@aws-sdk/lib-storage";
import { md5Of, md5OfStream, piecesOf } from "./content.ts";
import { ROOT, type Skerry, startSkerry } from "./skerry.ts";

const TREE_FILES_MIN = 5_000;
const LARGE_SIZE = 3 * 2 ** 30;
const RSS_MAX = 300 << 20;

let cloud: Skerry;
let client: S3Client;
let scratch: string;
let tree: string;
let rssMax: Map<string, number>;
let sampling: Timer;

beforeAll(async () => {
  scratch = mkdtempSync(join(tmpdir(), "skerry-clients-"));
  tree = join(scratch, "tree");
  copyTree(join(ROOT, "node_modules"), tree);
  cloud = await startSkerry();
  client = cloud.client();
  rssMax = new Map();
  const roles = await cloud.roles();
  sampling = setInterval(() => {
    for (const { name, pid } of roles) rssMax.set(name, Math.max(rssMax.get(name) ?? 0, rssOf(pid)));
  }, 250);
}, 240_000);

afterAll(async () => {
  clearInterval(sampling);
  await cloud?.[Symbol.asyncDispose]();
  rmSync(scratch, { recursive: true, force: true });
}, 60_000);

/** Resident bytes of a process; 0 once it is gone. */
function rssOf(pid: number): number {
  try {
    return Number(/^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1] ?? 0) * 1024;
  } catch {
    return 0;
  }
}

/** Real files only, at most 1 MiB each, so that the tree is many files rather than many bytes. */
function copyTree(from: string, to: string): void {
  cpSync(from, to, {
    recursive: true,
    filter: (path) => {
      const stats = lstatSync(path);
      return stats.isDirectory() || (stats.isFile() && stats.size <= 1 << 20);
    },
  });
}

function filesOf(directory: string): string[] {
  return readdirSync(directory, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(directory.length + 1))
    .sort();
}

function hashes(directory: string): Record<string, string> {
  return Object.fromEntries(
    filesOf(directory).map((name) => [
      name,
      Bun.hash.xxHash3(readFileSync(join(directory, name))).toString(16),
    ]),
  );
}

/** Runs a client with nothing of this machine's own AWS configuration. */
async function run(words: string[], environment: Record<string, string> = {}): Promise<string> {
  const { PATH = "" } = process.env;
  const child = Bun.spawn(words, {
    stdout: "pipe",
    stderr: "pipe",
    stdin: "ignore",
    env: { PATH, HOME: scratch, ...environment },
  });
  const [stdout, stderr, code] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
    child.exited,
  ]);
  if (code !== 0) throw new Error(`${words.join(" ")} ended with ${code}:\n${stderr}\n${stdout}`);
  return stdout;
}

function rclone(...words: string[]): Promise<string> {
  const { endpoint, region, accessKeyId, secretAccessKey } = cloud.credentials.s3;
  return run(["rclone", "--config", "/dev/null", ...words], {
    RCLONE_CONFIG_SKERRY_TYPE: "s3",
    RCLONE_CONFIG_SKERRY_PROVIDER: "Other",
    RCLONE_CONFIG_SKERRY_ENDPOINT: endpoint,
    RCLONE_CONFIG_SKERRY_REGION: region,
    RCLONE_CONFIG_SKERRY_ACCESS_KEY_ID: accessKeyId,
    RCLONE_CONFIG_SKERRY_SECRET_ACCESS_KEY: secretAccessKey,
  });
}

function s3cmd(...words: string[]): Promise<string> {
  const { endpoint, region, accessKeyId, secretAccessKey } = cloud.credentials.s3;
  const { host } = new URL(endpoint);
  return run([
    "s3cmd",
    "--config=/dev/null",
    `--host=${host}`,
    `--host-bucket=${host}`,
    `--region=${region}`,
    `--access_key=${accessKeyId}`,
    `--secret_key=${secretAccessKey}`,
    "--no-ssl",
    "--no-progress",
    ...words,
  ]);
}

async function keysOf(bucket: string): Promise<string[]> {
  const keys: string[] = [];
  let ContinuationToken: string | undefined;
  do {
    const page = await client.send(new ListObjectsV2Command({ Bucket: bucket, ContinuationToken }));
    keys.push(...(page.Contents ?? []).map(({ Key }) => Key!));
    ContinuationToken = page.NextContinuationToken;
  } while (ContinuationToken);
  return keys.sort();
}

describe("a tree of thousands of files", () => {
  test("rclone syncs it in, checks it, lists it and syncs it out, byte-equal", async () => {
    const names = filesOf(tree);
    expect(names.length).toBeGreaterThanOrEqual(TREE_FILES_MIN);
    await rclone("mkdir", "skerry:rclone-tree");
    await rclone("sync", "--transfers=8", "--checkers=8", tree, "skerry:rclone-tree");
    expect(await keysOf("rclone-tree")).toEqual(names);
    await rclone("check", "--download", "--checkers=8", tree, "skerry:rclone-tree");
    const back = join(scratch, "rclone-back");
    await rclone("sync", "--transfers=8", "skerry:rclone-tree", back);
    expect(hashes(back)).toEqual(hashes(tree));
  }, 600_000);

  test("s3cmd syncs a part of it in, lists it and syncs it out, byte-equal", async () => {
    const part = join(tree, "typescript");
    await s3cmd("mb", "s3://s3cmd-tree");
    await s3cmd("sync", `${part}/`, "s3://s3cmd-tree/");
    const names = filesOf(part);
    expect(await keysOf("s3cmd-tree")).toEqual(names);
    const listed = await s3cmd("ls", "--recursive", "s3://s3cmd-tree");
    expect(listed.trim().split("\n").length).toBe(names.length);
    const back = join(scratch, "s3cmd-back");
    mkdirSync(back);
    await s3cmd("sync", "s3://s3cmd-tree/", `${back}/`);
    expect(hashes(back)).toEqual(hashes(part));
  }, 600_000);
});

describe("a 3 GiB file", () => {
  test("the SDK uploads it by multipart and reads it back, byte-equal", async () => {
    await client.send(new CreateBucketCommand({ Bucket: "large" }));
    await new Upload({
      client,
      params: { Bucket: "large", Key: "file", Body: Readable.from(piecesOf(3, LARGE_SIZE)) },
      partSize: 16 << 20,
    }).done();
    const head = await client.send(new HeadObjectCommand({ Bucket: "large", Key: "file" }));
    expect(head.ContentLength).toBe(LARGE_SIZE);
    const { Body } = await client.send(new GetObjectCommand({ Bucket: "large", Key: "file" }));
    expect(await md5OfStream(Body as AsyncIterable<Uint8Array>)).toBe(md5Of(piecesOf(3, LARGE_SIZE)));
  }, 600_000);

  test("rclone and s3cmd download what the SDK uploaded, and upload it themselves", async () => {
    const path = join(scratch, "large.bin");
    const file = await open(path, "w");
    for (const piece of piecesOf(9, 200_000_001)) await file.write(piece);
    await file.close();
    await rclone("copyto", path, "skerry:large/rclone");
    await s3cmd("put", path, "s3://large/s3cmd");
    for (const key of ["rclone", "s3cmd"]) {
      const { Body } = await client.send(new GetObjectCommand({ Bucket: "large", Key: key }));
      expect(await md5OfStream(Body as AsyncIterable<Uint8Array>)).toBe(md5Of(piecesOf(9, 200_000_001)));
    }
    await s3cmd("get", "--force", "s3://large/rclone", join(scratch, "back.bin"));
    expect(await md5OfStream(Bun.file(join(scratch, "back.bin")).stream())).toBe(
      md5Of(piecesOf(9, 200_000_001)),
    );
  }, 600_000);
});

test("no process went over 300 MiB of resident memory in all of this", () => {
  expect(rssMax.size).toBeGreaterThan(0);
  const over = [...rssMax].filter(([, bytes]) => bytes > RSS_MAX);
  console.log(`peak RSS: ${[...rssMax].map(([name, bytes]) => `${name} ${bytes >> 20} MiB`).join(", ")}`);
  expect(over).toEqual([]);
});
