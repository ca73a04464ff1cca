import { afterEach, beforeEach, expect, test } from "bun:test";
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { systemDisk } from "../../std/disk.ts";
import { DirectoryError } from "./errors.ts";
import { claimDirectory } from "./identity.ts";

const CLUSTER = "0123456789abcdef0123456789abcdef";
let directory: string;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "skerry-identity-"));
  await mkdir(join(directory, "chunks"));
});
afterEach(() => rm(directory, { recursive: true, force: true }));

const claim = (serverId?: string, clusterId = CLUSTER) =>
  claimDirectory(systemDisk, directory, { clusterId, serverId }, () => "made-up");

async function refused(claiming: Promise<unknown>, what: string): Promise<void> {
  const error = await claiming.then(
    () => undefined,
    (thrown: Error) => thrown,
  );
  expect(error).toBeInstanceOf(DirectoryError);
  expect(error?.message).toContain(what);
  expect(error?.message).not.toContain("\n");
}

test("a new directory takes the id that is wanted, and keeps it", async () => {
  expect(await claim("disk-1")).toEqual({ clusterId: CLUSTER, serverId: "disk-1" });
  expect(await claim()).toEqual({ clusterId: CLUSTER, serverId: "disk-1" });
  expect(JSON.parse(await readFile(join(directory, "identity.json"), "utf8"))).toEqual({
    format: 1,
    clusterId: CLUSTER,
    serverId: "disk-1",
  });
});

test("a new directory without a wanted id gets a new one", async () => {
  expect((await claim()).serverId).toBe("made-up");
});

test("a directory of another cluster is refused", async () => {
  await claim("a");
  await refused(claim("a", "f".repeat(32)), `belongs to cluster ${CLUSTER}`);
});

test("a directory of another chunkserver is refused", async () => {
  await claim("a");
  await refused(claim("b"), "belongs to chunkserver a, not to b");
});

test("a directory of a newer format is refused", async () => {
  await writeFile(join(directory, "identity.json"), JSON.stringify({ format: 2 }));
  await refused(claim("a"), "has format 2");
});

test.each(["", "null", "[]", '{"format":1}', '{"format":1,"clusterId":5,"serverId":"a"}'])(
  "an identity of %p is called damaged",
  async (content) => {
    await writeFile(join(directory, "identity.json"), content);
    await refused(claim("a"), "is damaged");
  },
);

test("chunk files without an identity are not adopted", async () => {
  await writeFile(join(directory, "chunks", "0000000000000001.chunk"), "");
  await refused(claim("a"), "holds chunk files but no identity.json");
});

test("a half-written identity of an interrupted first start is written again", async () => {
  await writeFile(join(directory, "identity.json.new"), '{"for');
  expect((await claim("a")).serverId).toBe("a");
});

test("an id that could not stand in a message or path is refused", async () => {
  await refused(claim("a/b"), "no chunkserver id");
  await refused(claim("x".repeat(65)), "no chunkserver id");
});
