// The master with the real chunkservers, writer and reader.
import { afterEach, describe, expect, test } from "bun:test";
import { readdir, readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { ChunkReader } from "../chunkd/client/reader.ts";
import { ChunkWriter } from "../chunkd/client/writer.ts";
import type { Extent } from "../chunkd/protocol/record.ts";
import { type Chunkserver, startChunkserver } from "../chunkd/server/chunkserver.ts";
import { connectMaster, type MasterConnection } from "./client/client.ts";
import type { Master, MasterOptions } from "./server/start.ts";
import { PROCESS_SECRETS } from "./testing/master-process.ts";
import {
  atEnd,
  cleanUp,
  md5,
  NO_ATTRIBUTES,
  startTestMaster,
  testDirectory,
  testEnvironment,
  until,
} from "./testing/test-master.ts";

afterEach(cleanUp);

interface Cluster {
  master: Master & { directory: string };
  client: MasterConnection;
  writer: ChunkWriter;
  servers: { directory: string; server: Chunkserver }[];
}

async function startServer(master: string, directory: string): Promise<Chunkserver> {
  const options = { directory, listen: "127.0.0.1:0", master, secrets: PROCESS_SECRETS };
  const server = await startChunkserver(testEnvironment, options);
  atEnd(() => server.close());
  await server.registered;
  return server;
}

async function startCluster(options: Partial<MasterOptions> = {}): Promise<Cluster> {
  const master = await startTestMaster({ secrets: PROCESS_SECRETS, ...options });
  const servers: Cluster["servers"] = [];
  for (let i = 0; i < 3; i++) {
    const directory = await testDirectory();
    servers.push({ directory, server: await startServer(master.address, directory) });
  }
  const client = connectMaster(testEnvironment, {
    address: master.address,
    secrets: PROCESS_SECRETS,
    id: "test",
  });
  atEnd(() => client.close());
  const writer = new ChunkWriter(testEnvironment, PROCESS_SECRETS, client, { id: "writer" });
  await client.createBucket({ name: "bucket", owner: "u" });
  return { master, client, writer, servers };
}

async function* once(bytes: Uint8Array): AsyncIterable<Uint8Array> {
  yield bytes;
}

const contentOf = (key: string, size: number): Buffer => Buffer.alloc(size, `${key}|`);

async function put({ client, writer }: Cluster, key: string, size: number): Promise<void> {
  const bytes = contentOf(key, size);
  const extents: Extent[] = await writer.write(once(bytes), size);
  const data = { size, etag: md5(key), extents };
  await client.commitObject({ bucket: "bucket", key, data, attributes: NO_ATTRIBUTES });
}

async function get(client: MasterConnection, key: string): Promise<Buffer> {
  const reader = new ChunkReader(testEnvironment, PROCESS_SECRETS, client, { id: "reader" });
  try {
    const { object, locations } = await client.getObject({ bucket: "bucket", key });
    const parts: Uint8Array[] = [];
    for await (const part of reader.read(object.extents, locations, 0, object.size)) parts.push(part);
    return Buffer.concat(parts);
  } finally {
    await reader.close();
  }
}

const SIZES: Record<string, number> = { small: 1_000, odd: 1_234_567, large: 9 << 20 };

async function putAll(cluster: Cluster): Promise<void> {
  for (const [key, size] of Object.entries(SIZES)) await put(cluster, key, size);
}

async function expectAll(client: MasterConnection): Promise<void> {
  for (const [key, size] of Object.entries(SIZES)) {
    expect((await get(client, key)).equals(contentOf(key, size))).toBe(true);
  }
}

async function allWhole({ client }: Cluster): Promise<boolean> {
  const { chunks } = await client.status(null);
  return chunks.open === 0 && chunks.sealed > 0 && chunks.underReplicated === 0;
}

const chunkFiles = async (directory: string): Promise<string[]> =>
  (await readdir(join(directory, "chunks"))).filter((name) => name.endsWith(".chunk")).sort();

async function digests(directory: string): Promise<Record<string, string>> {
  const names = await chunkFiles(directory);
  const bytes = await Promise.all(names.map((name) => readFile(join(directory, "chunks", name))));
  return Object.fromEntries(names.map((name, i) => [name, Bun.hash.xxHash3(bytes[i]!).toString(16)]));
}

describe("the master with real chunkservers", () => {
  test("serves what was written from open and from sealed chunks, on all three", async () => {
    const cluster = await startCluster();
    await putAll(cluster);
    await expectAll(cluster.client);
    await cluster.writer.close();
    await until(() => allWhole(cluster), "all chunks are sealed and whole");
    await expectAll(cluster.client);
    const files = await Promise.all(cluster.servers.map(({ directory }) => chunkFiles(directory)));
    expect(files[1]).toEqual(files[0]!);
    expect(files[2]).toEqual(files[0]!);
  }, 20_000);

  test("seals what was open when the master starts again, and everything is still there", async () => {
    const cluster = await startCluster();
    await putAll(cluster);
    const { address, directory } = cluster.master;
    await cluster.master.close();
    await startTestMaster({ secrets: PROCESS_SECRETS, directory, listen: address });
    await until(() => allWhole(cluster), "all chunks are sealed and whole");
    await expectAll(cluster.client);
    await put(cluster, "after", 5_000);
    expect((await get(cluster.client, "after")).equals(contentOf("after", 5_000))).toBe(true);
    await cluster.writer.close();
  }, 20_000);

  test("makes the replicas of a server again that lost its disk", async () => {
    const cluster = await startCluster();
    await putAll(cluster);
    await cluster.writer.close();
    await until(() => allWhole(cluster), "all chunks are whole");
    const [first, second] = cluster.servers;
    await first!.server.close();
    for (const name of await chunkFiles(first!.directory)) await rm(join(first!.directory, "chunks", name));
    await startServer(cluster.master.address, first!.directory);
    await until(async () => {
      const [lost, kept] = await Promise.all([chunkFiles(first!.directory), chunkFiles(second!.directory)]);
      return lost.length === kept.length && (await allWhole(cluster));
    }, "the chunks are made again");
    for (const { server } of cluster.servers.slice(1)) await server.close();
    await until(
      async () => (await cluster.client.status(null)).servers.filter(({ alive }) => alive).length === 1,
      "one is left",
    );
    await expectAll(cluster.client);
  }, 20_000);

  test("goes on with two of three, and the third catches up when it is back", async () => {
    const cluster = await startCluster();
    await put(cluster, "before", 100_000);
    const [first] = cluster.servers;
    await first!.server.close();
    await putAll(cluster);
    await expectAll(cluster.client);
    await startServer(cluster.master.address, first!.directory);
    await cluster.writer.close();
    await until(() => allWhole(cluster), "all chunks are whole on three");
    await expectAll(cluster.client);
  }, 20_000);

  test("takes the files of deleted objects away", async () => {
    const cluster = await startCluster({ commitMarginMs: 0, deleteGraceMs: 0 });
    await putAll(cluster);
    await cluster.writer.close();
    const keys = Object.keys(SIZES).map((key) => ({ key }));
    await cluster.client.deleteObjects({ bucket: "bucket", objects: keys });
    await until(async () => {
      const files = await Promise.all(cluster.servers.map(({ directory }) => chunkFiles(directory)));
      return files.flat().length === 0;
    }, "no chunk file is left");
    const { chunks } = await cluster.client.status(null);
    expect([chunks.open, chunks.sealed]).toEqual([0, 0]);
  }, 20_000);

  test("compacts chunks of much garbage, and every object that is left is what it was", async () => {
    const cluster = await startCluster({
      commitMarginMs: 0,
      deleteGraceMs: 0,
      compactBytesMin: 100_000,
      compactEveryMs: 50,
    });
    const keys = Array.from({ length: 40 }, (_, i) => `key-${i}`);
    const sizeOf = (key: string): number => 10_000 + 3_571 * keys.indexOf(key);
    for (const key of keys) await put(cluster, key, sizeOf(key));
    await cluster.writer.close();
    await until(() => allWhole(cluster), "all chunks are whole");
    const before = new Set(await chunkFiles(cluster.servers[0]!.directory));
    const [kept, deleted] = [keys.filter((_, i) => i % 3 === 0), keys.filter((_, i) => i % 3 !== 0)];
    const objects = deleted.map((key) => ({ key }));
    await cluster.client.deleteObjects({ bucket: "bucket", objects });
    await until(
      async () => (await chunkFiles(cluster.servers[0]!.directory)).every((name) => !before.has(name)),
      "all are compacted",
    );
    await until(() => allWhole(cluster), "the new chunks are whole");
    for (const key of kept) {
      expect((await get(cluster.client, key)).equals(contentOf(key, sizeOf(key)))).toBe(true);
    }
    const files = await Promise.all(cluster.servers.map(({ directory }) => digests(directory)));
    expect(Object.keys(files[0]!).length).toBeGreaterThan(0);
    expect(files[1]).toEqual(files[0]!);
    expect(files[2]).toEqual(files[0]!);
  }, 30_000);

  test("drains a chunkserver onto a new one, which is then equal to it", async () => {
    const cluster = await startCluster();
    await putAll(cluster);
    await cluster.writer.close();
    await until(() => allWhole(cluster), "all chunks are whole");
    const [first] = cluster.servers;
    const before = await digests(first!.directory);
    const { id } = first!.server;
    const waiting = await cluster.client.drainChunkserver({ id });
    expect(waiting.waitsFor).toContain("another chunkserver");
    const directory = await testDirectory();
    await startServer(cluster.master.address, directory);
    const state = async () =>
      (await cluster.client.listChunkservers(null)).servers.find((s) => s.id === id)?.state;
    await until(async () => (await state()) === "drained", "it is drained");
    expect(await chunkFiles(first!.directory)).toEqual([]);
    expect(await digests(directory)).toEqual(before);
    await cluster.client.removeChunkserver({ id });
    await first!.server.close();
    await expectAll(cluster.client);
  }, 30_000);
});
