import { afterEach, beforeEach, expect, test } from "bun:test";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { systemDisk } from "../../std/disk.ts";
import { type LogFields, silentLog } from "../../std/log.ts";
import { RemoteError } from "../protocol/errors.ts";
import { ChunkOp, REMOVED, REPORT_CHUNKS_MAX } from "../protocol/messages.ts";
import { CHUNK_HEADER_SIZE, recordSize } from "../protocol/record.ts";
import { chunkBytes } from "../testing/chunk-bytes.ts";
import {
  append,
  connectAs,
  ENVIRONMENT,
  grant,
  SECRETS,
  type TemporaryDirectory,
  temporaryDirectory,
} from "../testing/cluster.ts";
import { FaultyDisk } from "../testing/faulty-disk.ts";
import { ListeningMaster } from "../testing/listening-master.ts";
import { ManualClock } from "../testing/manual-clock.ts";
import { type Chunkserver, type ChunkserverEnvironment, startChunkserver } from "./chunkserver.ts";

let directory: TemporaryDirectory;
let master: ListeningMaster;
let server: Chunkserver | undefined;

beforeEach(async () => {
  directory = await temporaryDirectory();
  master = new ListeningMaster();
  await master.listen();
});
afterEach(async () => {
  await server?.close();
  server = undefined;
  await master.close();
  await directory[Symbol.asyncDispose]();
});

async function start(
  parts: Partial<ChunkserverEnvironment> = {},
  more: { reportMs?: number } = {},
): Promise<Chunkserver> {
  const options = { directory: directory.path, id: "c0", listen: "127.0.0.1:0", master: master.address };
  server = await startChunkserver({ ...ENVIRONMENT, ...parts }, { ...options, ...more, secrets: SECRETS });
  return server;
}

/** Puts `count` sealed chunks into the directory. */
async function plant(count: number): Promise<void> {
  const identity = { format: 1, clusterId: SECRETS.clusterId, serverId: "c0" };
  await mkdir(join(directory.path, "chunks"));
  await writeFile(join(directory.path, "identity.json"), JSON.stringify(identity));
  for (let handle = 1; handle <= count; handle++) {
    const { bytes } = chunkBytes(SECRETS.clusterId, handle, [Buffer.from("x")], { version: 3, sealed: true });
    await writeFile(join(directory.path, "chunks", `${handle.toString(16).padStart(16, "0")}.chunk`), bytes);
  }
}

test("a chunkserver registers, reports all its chunks in batches, then sends heartbeats", async () => {
  const count = REPORT_CHUNKS_MAX + 5;
  await plant(count);
  const { address, incarnation, registered } = await start();
  await registered;
  expect(master.registrations).toEqual([
    {
      id: "c0",
      address,
      incarnation,
      totalBytes: expect.any(Number),
      freeBytes: expect.any(Number),
      diskFailed: false,
      masterSeen: { restoredAt: 0, sequence: 0 },
    },
  ]);
  expect(master.reports.map(({ chunks, last }) => [chunks.length, last])).toEqual([
    [REPORT_CHUNKS_MAX, false],
    [5, true],
  ]);
  expect(new Set(master.reported.map(({ handle }) => handle)).size).toBe(count);
  const length = CHUNK_HEADER_SIZE + recordSize(1);
  expect(master.reported).toContainEqual({ handle: 7, version: 3, length, sealed: true });
  await master.until(() => master.heartbeats.length >= 2);
  expect(master.heartbeats[0]).toMatchObject({ damaged: [], diskFailed: false });
});

test("an empty chunkserver reports that it has nothing", async () => {
  await (await start()).registered;
  expect(master.reports).toEqual([{ chunks: [], last: true }]);
});

test("the master's commands come over the connection that the chunkserver made", async () => {
  await plant(1);
  await (await start()).registered;
  await master.connection!.call(ChunkOp.remove, { handle: 1 });
  const stat = master.connection!.call(ChunkOp.stat, { handle: 1 });
  await expect(stat).rejects.toMatchObject({ code: "NO_SUCH_CHUNK" });
});

test("when the master comes back it gets a registration and a full report again; reads go on meanwhile", async () => {
  await plant(2);
  const { address, registered } = await start();
  await registered;
  const where = master.address;
  await master.close();
  const reader = await connectAs(address, "client");
  const request = { handle: 1, offset: CHUNK_HEADER_SIZE, firstBlock: 0, blockCount: 1 };
  expect((await reader.call(ChunkOp.read, request)).body.at(-1)).toBe("x".charCodeAt(0));
  reader.close();
  await master.listen(where);
  await master.until(() => master.reported.length === 4);
  expect(master.registrations.length).toBe(2);
});

test("a chunkserver that starts before its master serves, and registers when the master comes", async () => {
  await plant(1);
  const where = master.address;
  await master.close();
  const { address } = await start();
  const reader = await connectAs(address, "client");
  expect((await reader.call(ChunkOp.stat, { handle: 1 })).meta).toMatchObject({ sealed: true });
  reader.close();
  await master.listen(where);
  await master.until(() => master.reports.length === 1);
});

test("a damaged replica is told in the next heartbeat", async () => {
  await plant(2);
  const file = join(directory.path, "chunks", "0000000000000002.chunk");
  const bytes = Buffer.from(await Bun.file(file).arrayBuffer());
  bytes[CHUNK_HEADER_SIZE + recordSize(1) - 1]! ^= 1;
  await writeFile(file, bytes);
  const { address } = await start();
  const reader = await connectAs(address, "client");
  const request = { handle: 2, offset: CHUNK_HEADER_SIZE, firstBlock: 0, blockCount: 1 };
  await expect(reader.call(ChunkOp.read, request)).rejects.toMatchObject({ code: "CHECKSUM" });
  reader.close();
  await master.until(() => master.heartbeats.some(({ damaged }) => damaged.length > 0));
  expect(master.heartbeats.at(-1)!.damaged).toEqual([2]);
});

test("leases end by the master's clock, whatever the wall clock here says", async () => {
  const clock = new ManualClock();
  const { address, incarnation, registered } = await start({ clock });
  await registered;
  const writer = await connectAs(address, "client");
  const peer = { id: "c1", address: "127.0.0.1:9", incarnation: 1 };
  const lease = (expiresAt: number) =>
    grant(1, [{ id: "c0", address, incarnation }, peer], { validForMs: expiresAt - Date.now() });
  // A second before the lease's end by the master's clock: it fails for its missing secondary, not for its lease.
  const running = append(writer, lease(master.now + 1_000), Buffer.from("x"));
  await expect(running).rejects.toMatchObject({ code: "NO_QUORUM" });
  const over = append(writer, lease(master.now - 1), Buffer.from("x"));
  await expect(over).rejects.toMatchObject({ code: "BAD_CAPABILITY" });
  clock.wallOffset -= 86_400_000;
  const still = append(writer, lease(master.now - 1), Buffer.from("x"));
  await expect(still).rejects.toMatchObject({ code: "BAD_CAPABILITY" });
  writer.close();
});

test("before the master was heard no append is taken", async () => {
  await master.close();
  const { address, incarnation } = await start();
  const writer = await connectAs(address, "client");
  const replicas = [
    { id: "c0", address, incarnation },
    { id: "c1", address: "127.0.0.1:9", incarnation: 1 },
  ];
  await expect(append(writer, grant(1, replicas), Buffer.from("x"))).rejects.toMatchObject({
    code: "BAD_CAPABILITY",
  });
  writer.close();
});

test("a chunk whose removal is under way is not reported: it will be gone when the master counts on it", async () => {
  await plant(2);
  const disk = new FaultyDisk();
  const removing = Promise.withResolvers<void>();
  const proceed = Promise.withResolvers<void>();
  disk.remove = async (path) => {
    removing.resolve();
    await proceed.promise;
    await systemDisk.remove(path);
  };
  await (await start({ disk })).registered;
  const before = master.reports.length;
  const removal = master.connection!.call(ChunkOp.remove, { handle: 1 }).catch(() => {});
  await removing.promise;
  master.connection!.close();
  await removal;
  await master.until(() => master.reports.length > before);
  expect(master.reports.slice(before).flatMap(({ chunks }) => chunks.map(({ handle }) => handle))).toEqual([
    2,
  ]);
  proceed.resolve();
});

test("a master that refuses the registration is tried again, and its reason logged once", async () => {
  const lines: [string, LogFields | undefined][] = [];
  const log = {
    ...silentLog,
    error: (message: string, fields?: LogFields) => void lines.push([message, fields]),
  };
  master.refusal = new RemoteError("ALREADY_REGISTERED", "c0 is connected from elsewhere");
  const { registered } = await start({ log });
  await master.until(() => master.registrations.length === 3);
  expect(lines).toEqual([
    [
      "the master refuses this chunkserver",
      { master: master.address, code: "ALREADY_REGISTERED", error: "c0 is connected from elsewhere" },
    ],
  ]);
  master.refusal = undefined;
  await registered;
  expect(master.reports).toHaveLength(1);
});

test("a chunkserver that was removed says so, goes on asking, and registers once it is taken in again", async () => {
  master.refusal = new RemoteError(REMOVED, "c0 was removed: take it in again");
  const { registered, removed } = await start();
  expect(await removed).toBe("c0 was removed: take it in again");
  master.refusal = undefined;
  await registered;
});

test("all chunks are reported again and again, as of a moment behind the beginning", async () => {
  await plant(3);
  await (await start({}, { reportMs: 20 })).registered;
  await master.connection!.call(ChunkOp.remove, { handle: 2 });
  const before = master.reports.length;
  const told = () => master.reports.slice(before).filter(({ begin }) => !begin);
  await master.until(() => told().length >= 2);
  expect(master.reports.find(({ begin }) => begin)).toEqual({ begin: true, chunks: [], last: false });
  // The first may have begun before the removal.
  const [, second] = told();
  expect(second!.last).toBe(true);
  // A directory is read in no order, and so are chunks told of.
  expect(second!.chunks.map(({ handle }) => handle).sort()).toEqual([1, 3]);
});

test("a heartbeat tells of the scrub and of the group commits", async () => {
  const { address, incarnation, registered } = await start();
  await registered;
  await master.until(() => master.heartbeats.length > 0);
  expect(master.heartbeats[0]!.syncs).toEqual({ count: 0, bytes: 0, seconds: 0 });
  const writer = await connectAs(address, "client");
  const replicas = [
    { id: "c0", address, incarnation },
    { id: "c1", address: "127.0.0.1:9", incarnation: 1 },
  ];
  const lease = grant(1, replicas, { validForMs: master.now - Date.now() + 60_000 });
  await append(writer, lease, Buffer.from("x")).catch(() => {});
  writer.close();
  await master.until(() => (master.heartbeats.at(-1)!.syncs?.count ?? 0) > 0);
  expect(master.heartbeats.at(-1)!).toMatchObject({
    syncs: { count: 1, bytes: recordSize(1), seconds: expect.any(Number) },
    scrub: { doneBytes: 0, totalBytes: 0, startedAt: 0, finishedAt: 0, damagedFound: 0 },
  });
});
