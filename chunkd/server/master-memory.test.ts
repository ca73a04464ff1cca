import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Connection } from "../protocol/connection.ts";
import { ChunkOp } from "../protocol/messages.ts";
import { CHUNK_HEADER_SIZE, recordSize } from "../protocol/record.ts";
import { chunkBytes } from "../testing/chunk-bytes.ts";
import { ENVIRONMENT, SECRETS, type TemporaryDirectory, temporaryDirectory } from "../testing/cluster.ts";
import { ListeningMaster } from "../testing/listening-master.ts";
import { type Chunkserver, startChunkserver } from "./chunkserver.ts";

const HANDLE = 9;

let directory: TemporaryDirectory;
let master: ListeningMaster;
let server: Chunkserver | undefined;
let where: string;

beforeEach(async () => {
  directory = await temporaryDirectory();
  master = new ListeningMaster();
  await master.listen();
  where = master.address;
});
afterEach(async () => {
  await stop();
  await master.close();
  await directory[Symbol.asyncDispose]();
});

async function start(): Promise<Chunkserver> {
  const options = { directory: directory.path, id: "c0", listen: "127.0.0.1:0", master: where };
  server = await startChunkserver(ENVIRONMENT, { ...options, secrets: SECRETS });
  await server.registered;
  return server;
}

async function stop(): Promise<void> {
  await server?.close();
  server = undefined;
}

/** The master's process ends, and one whose directory is at `sequence` takes its place. */
async function replaceMaster(sequence: number, restoredAt = 0): Promise<Connection> {
  await master.close();
  master = new ListeningMaster();
  master.reached = { restoredAt, sequence };
  await master.listen(where);
  await master.until(() => master.heartbeats.length > 0);
  return master.connection!;
}

/** Puts an open chunk of one record into the directory of a server that is not started yet. */
async function plant(): Promise<void> {
  const identity = { format: 1, clusterId: SECRETS.clusterId, serverId: "c0" };
  await mkdir(join(directory.path, "chunks"));
  await writeFile(join(directory.path, "identity.json"), JSON.stringify(identity));
  const { bytes } = chunkBytes(SECRETS.clusterId, HANDLE, [Buffer.from("kept")]);
  await writeFile(join(directory.path, "chunks", `${HANDLE.toString(16).padStart(16, "0")}.chunk`), bytes);
}

const saved = (): string => join(directory.path, "master.json");
const codeOf = (promise: Promise<unknown>): Promise<string> =>
  promise.then(
    () => "done",
    (error: { code?: string }) => error.code ?? String(error),
  );

describe("a master whose directory is an older copy", () => {
  beforeEach(async () => {
    await plant();
    master.reached = { restoredAt: 0, sequence: 100 };
    await start();
  });

  test("is not obeyed, and the server says so", async () => {
    const length = CHUNK_HEADER_SIZE + recordSize(4);
    const older = await replaceMaster(99);
    const source = { id: "c1", address: "127.0.0.1:1" };
    const changes: [number, object][] = [
      [ChunkOp.remove, { handle: HANDLE }],
      [ChunkOp.fence, { handle: HANDLE, version: 2 }],
      [ChunkOp.seal, { handle: HANDLE, version: 2, length }],
      [ChunkOp.copy, { handle: HANDLE, version: 2, length, source }],
      [ChunkOp.compact, { source: HANDLE, sourceVersion: 1, sourceLength: length, target: 3, version: 1 }],
    ];
    for (const [opcode, meta] of changes) {
      expect(await codeOf(older.call(opcode, meta))).toBe("MASTER_BEHIND");
    }
    const stat = await older.call(ChunkOp.stat, { handle: HANDLE });
    expect(stat.meta).toMatchObject({ version: 1, length, sealed: false });
    expect(await codeOf(older.call(ChunkOp.scrub, { action: "status" }))).toBe("done");
    expect(server!.problems()).toEqual([expect.stringContaining("older copy")]);
  });

  test("is told what the server has seen", async () => {
    await replaceMaster(99);
    expect(master.registrations[0]).toMatchObject({ masterSeen: { restoredAt: 0, sequence: 100 } });
  });

  test("is not obeyed either once it has come further by new commands", async () => {
    const older = await replaceMaster(99);
    master.reached = { restoredAt: 0, sequence: 500 };
    const count = master.heartbeats.length;
    await master.until(() => master.heartbeats.length > count + 1);
    expect(await codeOf(older.call(ChunkOp.remove, { handle: HANDLE }))).toBe("MASTER_BEHIND");
    expect(await replaceMaster(100).then(() => master.registrations[0])).toMatchObject({
      masterSeen: { restoredAt: 0, sequence: 100 },
    });
  });

  test("makes way for the one with the newest directory", async () => {
    await replaceMaster(99);
    const newest = await replaceMaster(100);
    expect(await codeOf(newest.call(ChunkOp.remove, { handle: HANDLE }))).not.toBe("MASTER_BEHIND");
    expect(server!.problems()).toEqual([]);
  });

  test("is recognized by a server that was started again", async () => {
    await stop();
    await start();
    const older = await replaceMaster(99);
    expect(await codeOf(older.call(ChunkOp.remove, { handle: HANDLE }))).toBe("MASTER_BEHIND");
  });

  test("is not the one that was restored, whatever its sequence; the one before the restore then is", async () => {
    const restored = await replaceMaster(7, 1_000);
    expect(await codeOf(restored.call(ChunkOp.remove, { handle: HANDLE }))).not.toBe("MASTER_BEHIND");
    const before = await replaceMaster(100_000);
    expect(await codeOf(before.call(ChunkOp.remove, { handle: HANDLE }))).toBe("MASTER_BEHIND");
  });
});

describe("what is known of the master", () => {
  test("follows the heartbeats, and is on disk after a clean end", async () => {
    await start();
    master.reached = { restoredAt: 0, sequence: 41 };
    const count = master.heartbeats.length;
    await master.until(() => master.heartbeats.length > count + 1);
    await stop();
    expect(JSON.parse(await readFile(saved(), "utf8"))).toMatchObject({
      format: 1,
      restoredAt: 0,
      sequence: 41,
    });
  });

  test("is learnt anew when its file is damaged, rather than that every master is refused", async () => {
    await start();
    await stop();
    const text = await readFile(saved(), "utf8");
    await writeFile(saved(), text.replace('"sequence":1', '"sequence":9'));
    await start();
    expect(master.registrations.at(-1)).toMatchObject({ masterSeen: { restoredAt: 0, sequence: 0 } });
    expect(server!.problems()).toEqual([]);
  });
});
