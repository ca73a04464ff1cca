import { describe, expect, test } from "bun:test";
import { readFile, rm, writeFile } from "node:fs/promises";
import { ChunkOp, type FenceResponse } from "../protocol/messages.ts";
import { CHUNK_HEADER_SIZE, recordSize, SEAL_SIZE } from "../protocol/record.ts";
import { OPEN_FILES_MAX } from "../store/open-files.ts";
import { chunkBytes } from "../testing/chunk-bytes.ts";
import { append, grant, SECRETS, Servers } from "../testing/cluster.ts";
import { FaultyDisk } from "../testing/faulty-disk.ts";
import { ListeningMaster } from "../testing/listening-master.ts";

const PAYLOADS = ["one", "two", "three", "four"].map((text) => Buffer.from(text));
const { bytes, borders } = chunkBytes(SECRETS.clusterId, 1, PAYLOADS);

/** One server that finds `file` as its chunk 1 at start. */
async function found(file: Buffer, master?: ListeningMaster): Promise<Servers> {
  const servers = await Servers.start(1);
  await servers.all[0]!.close();
  await writeFile(servers.chunkFile(0, 1), file);
  servers.all[0] = await servers.startOne(0, {}, master ? { master: master.address } : {});
  return servers;
}

async function fence(servers: Servers, version = 2): Promise<FenceResponse> {
  return (await servers.command(0, ChunkOp.fence, { handle: 1, version })) as FenceResponse;
}

function holed(): Buffer {
  const file = Buffer.from(bytes);
  file[borders[2]! - 1]! ^= 1;
  return file;
}

describe("an unsealed replica with whole records behind a bad one", () => {
  test("answers a fence with the length up to which it is whole, and the limit of what it ever acknowledged", async () => {
    await using servers = await found(holed());
    const stat = { version: 2, length: borders[1]!, sealed: false };
    expect(await fence(servers)).toEqual({ ...stat, limit: bytes.length });
  });

  test("serves the records behind, and refuses the bad one", async () => {
    await using servers = await found(holed());
    const reader = await servers.connect(0, "client");
    const read = (offset: number) =>
      reader.call(ChunkOp.read, { handle: 1, offset, firstBlock: 0, blockCount: 1 });
    for (const index of [0, 2, 3]) {
      const { body } = await read(borders[index]!);
      expect(body.subarray(-PAYLOADS[index]!.length).equals(PAYLOADS[index]!)).toBe(true);
    }
    await expect(read(borders[1]!)).rejects.toMatchObject({ code: "CHECKSUM" });
    await expect(read(bytes.length)).rejects.toMatchObject({ code: "OUT_OF_RANGE" });
  });

  test("cannot be sealed beyond its length; sealed there or before, it is whole and no longer reported", async () => {
    const master = new ListeningMaster();
    await master.listen();
    await using servers = await found(holed(), master);
    await master.until(() => master.heartbeats.length > 0);
    expect(master.heartbeats.at(-1)!.damaged).toEqual([1]);
    for (const length of [borders[2]!, bytes.length]) {
      const seal = servers.command(0, ChunkOp.seal, { handle: 1, version: 2, length });
      await expect(seal).rejects.toMatchObject({ code: "OUT_OF_RANGE" });
    }
    expect((await readFile(servers.chunkFile(0, 1))).equals(holed())).toBe(true);
    await servers.command(0, ChunkOp.seal, { handle: 1, version: 2, length: borders[1]! });
    expect((await readFile(servers.chunkFile(0, 1))).length).toBe(borders[1]! + SEAL_SIZE);
    const beats = master.heartbeats.length;
    await master.until(() => master.heartbeats.length > beats + 1);
    expect(master.heartbeats.at(-1)!.damaged).toEqual([]);
    await servers.all[0]!.close();
    await master.close();
  });

  test("gives way to a good copy", async () => {
    await using servers = await found(holed());
    servers.all[1] = await servers.startOne(1);
    await servers.all[1].close();
    const good = chunkBytes(SECRETS.clusterId, 1, PAYLOADS, { version: 2, sealed: true });
    await writeFile(servers.chunkFile(1, 1), good.bytes);
    servers.all[1] = await servers.startOne(1);
    const copy = { handle: 1, version: 2, length: bytes.length, sources: [servers.replicas[1]!] };
    const stat = { version: 2, length: bytes.length, sealed: true };
    expect(await servers.command(0, ChunkOp.copy, copy)).toEqual(stat);
    expect((await readFile(servers.chunkFile(0, 1))).equals(good.bytes)).toBe(true);
  });

  test("found damaged while it is read keeps being reported when only its tail was cut off", async () => {
    const file = Buffer.from(bytes);
    file[borders[3]! - 1]! ^= 1;
    await using servers = await found(file);
    const reader = await servers.connect(0, "client");
    const damaged = Buffer.from(file);
    damaged[borders[1]! - 1]! ^= 1;
    await writeFile(servers.chunkFile(0, 1), damaged);
    const read = reader.call(ChunkOp.read, {
      handle: 1,
      offset: CHUNK_HEADER_SIZE,
      firstBlock: 0,
      blockCount: 1,
    });
    await expect(read).rejects.toMatchObject({ code: "CHECKSUM" });
    const sealed = { handle: 1, version: 2, length: borders[2]! };
    await servers.command(0, ChunkOp.seal, sealed);
    servers.all[1] = await servers.startOne(1);
    const copy = { ...sealed, sources: [servers.replicas[1]!] };
    // Were it taken for whole, the copy would not ask the source at all.
    await expect(servers.command(0, ChunkOp.copy, copy)).rejects.toMatchObject({ code: "NO_SUCH_CHUNK" });
  });
});

test("a torn tail is kept until the seal cuts it off, and the fence tells of it", async () => {
  const torn = Buffer.concat([bytes.subarray(0, bytes.length - 2)]);
  await using servers = await found(torn);
  expect(await fence(servers)).toEqual({
    version: 2,
    length: borders[3]!,
    sealed: false,
    limit: torn.length,
  });
  expect((await readFile(servers.chunkFile(0, 1))).equals(torn)).toBe(true);
  await servers.command(0, ChunkOp.seal, { handle: 1, version: 2, length: borders[3]! });
  const sealed = await readFile(servers.chunkFile(0, 1));
  expect(sealed.subarray(0, borders[3]!).equals(torn.subarray(0, borders[3]!))).toBe(true);
  expect(sealed.length).toBe(borders[3]! + SEAL_SIZE);
  expect(await fence(servers, 3)).toEqual({ version: 2, length: borders[3]!, sealed: true });
});

test("a whole unsealed replica answers no limit", async () => {
  await using servers = await found(bytes);
  expect(await fence(servers)).toEqual({ version: 2, length: bytes.length, sealed: false });
});

test("a replica whose header is damaged is served and fenced by its records", async () => {
  const file = Buffer.from(bytes);
  file[20]! ^= 1;
  await using servers = await found(file);
  expect(await fence(servers)).toMatchObject({ length: bytes.length });
  const reader = await servers.connect(0, "client");
  const { body } = await reader.call(ChunkOp.read, {
    handle: 1,
    offset: CHUNK_HEADER_SIZE,
    firstBlock: 0,
    blockCount: 1,
  });
  expect(body.subarray(-3).toString()).toBe("one");
});

describe("a foreign file or directory in a replica's way", () => {
  test("is moved aside for a copy, each under a name of its own", async () => {
    const foreign = chunkBytes("f".repeat(32), 1, PAYLOADS, { sealed: true }).bytes;
    await using servers = await found(foreign);
    const kept = servers.chunkFile(0, 1).replace(/chunk$/, "kept");
    await writeFile(kept, "kept before");
    servers.all[1] = await servers.startOne(1);
    await servers.all[1].close();
    const good = chunkBytes(SECRETS.clusterId, 1, PAYLOADS, { version: 2, sealed: true });
    await writeFile(servers.chunkFile(1, 1), good.bytes);
    servers.all[1] = await servers.startOne(1);
    const copy = { handle: 1, version: 2, length: bytes.length, sources: [servers.replicas[1]!] };
    expect((await servers.command(0, ChunkOp.copy, copy)).sealed).toBe(true);
    expect(await readFile(kept, "utf8")).toBe("kept before");
    const second = await readFile(servers.chunkFile(0, 1).replace(/chunk$/, "2.kept"));
    expect(second.equals(foreign)).toBe(true);
  });

  test("that appeared while the server runs ends the append, and is no failed disk", async () => {
    await using servers = await Servers.start(2);
    await writeFile(servers.chunkFile(0, 5), "mine");
    const writer = await servers.connect(0, "client");
    const refused = append(writer, grant(5, servers.replicas), PAYLOADS[0]!);
    await expect(refused).rejects.toMatchObject({ code: "NOT_OPEN" });
    expect(await readFile(servers.chunkFile(0, 5), "utf8")).toBe("mine");
    expect((await append(writer, grant(6, servers.replicas), PAYLOADS[0]!)).prepared).toHaveLength(2);
  });
});

test("a fence of the primary tells what it has acknowledged, until it is restarted", async () => {
  const disk = new FaultyDisk();
  await using servers = await Servers.start(3, [{}, { disk }, { disk }]);
  const writer = await servers.connect(0, "client");
  const lease = grant(1, servers.replicas);
  const { offset } = await append(writer, lease, PAYLOADS[0]!);
  const acknowledged = offset + recordSize(PAYLOADS[0]!.length);
  const written = Promise.withResolvers<void>();
  const never = Promise.withResolvers<void>();
  disk.fault = (operation) => {
    if (operation !== "sync") return undefined;
    written.resolve();
    return never.promise;
  };
  const late = append(writer, lease, PAYLOADS[1]!);
  late.catch(() => {});
  await written.promise;
  const longer = acknowledged + recordSize(PAYLOADS[1]!.length);
  const first = (await servers.command(0, ChunkOp.fence, { handle: 1, version: 2 })) as FenceResponse;
  expect(first).toEqual({ version: 2, length: longer, sealed: false, acknowledged });
  await expect(late).rejects.toMatchObject({ code: "STALE_VERSION" });
  // Asked again, and when the others have it on disk after all, it is the same: the writer was told of no more.
  never.resolve();
  expect(await fence(servers)).toEqual(first);
  await servers.restart(0);
  expect(await fence(servers)).toEqual({ version: 2, length: longer, sealed: false });
});

test("an open replica whose file somebody deleted is reported as soon as an append finds out", async () => {
  const master = new ListeningMaster();
  await master.listen();
  master.now = Date.now();
  await using servers = await Servers.start(2);
  await servers.all[0]!.close();
  servers.all[0] = await servers.startOne(0, {}, { master: master.address });
  await servers.all[0].registered;
  const writer = await servers.connect(0, "client");
  const lease = grant(1, servers.replicas);
  await append(writer, lease, PAYLOADS[0]!);
  await servers.command(0, ChunkOp.stat, { handle: 1 });
  await rm(servers.chunkFile(0, 1));
  // The descriptor that is kept open still takes bytes; one that must be opened again shows that the name is gone.
  const others = Array.from({ length: OPEN_FILES_MAX + 1 }, (_, index) =>
    grant(100 + index, servers.replicas),
  );
  for (const other of others) await append(writer, other, PAYLOADS[0]!);
  await expect(append(writer, lease, PAYLOADS[1]!)).rejects.toMatchObject({ code: "CHECKSUM" });
  const beats = master.heartbeats.length;
  await master.until(() => master.heartbeats.length > beats + 1);
  expect(master.heartbeats.at(-1)!.damaged).toEqual([1]);
  await servers.all[0]!.close();
  await master.close();
});
