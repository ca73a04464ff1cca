import { describe, expect, test } from "bun:test";
import { existsSync } from "node:fs";
import { readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { ChunkOp } from "../protocol/messages.ts";
import { CHUNK_HEADER_SIZE } from "../protocol/record.ts";
import { append, grant, Servers } from "../testing/cluster.ts";
import { diskError, FaultyDisk } from "../testing/faulty-disk.ts";
import { ListeningMaster } from "../testing/listening-master.ts";

const PAYLOAD = Buffer.from("a payload");
const READ = { handle: 1, offset: CHUNK_HEADER_SIZE, firstBlock: 0, blockCount: 1 };

/** Three servers with chunk 1 on all; the first's disk takes faults. */
async function cluster() {
  const disk = new FaultyDisk();
  const servers = await Servers.start(3, [{ disk }]);
  const writer = await servers.connect(0, "client");
  await append(writer, grant(1, servers.replicas), PAYLOAD);
  const mark = join(servers.directoryOf(0), "quarantine.json");
  const appendTo = (handle: number) => append(writer, grant(handle, servers.replicas), PAYLOAD);
  return { disk, servers, writer, mark, appendTo };
}

describe("a disk that failed a sync", () => {
  test("is marked; a restart reads from it, writes nothing, and tells the master, until the mark is removed", async () => {
    const { disk, servers, mark, appendTo } = await cluster();
    await using _ = servers;
    disk.fault = (operation, path) => {
      if (operation === "sync" && path.endsWith(".chunk")) throw diskError("EIO");
    };
    await expect(appendTo(1)).rejects.toMatchObject({ code: "DISK_FAILED" });
    await servers.all[0]!.close();
    expect(JSON.parse(await readFile(mark, "utf8"))).toEqual({
      format: 1,
      at: expect.any(Number),
      code: "EIO",
    });
    const copy = servers.chunkFile(0, 9).replace(/chunk$/, "copy");
    await writeFile(copy, "half");
    disk.fault = () => {};
    const before = { ...disk.counts };
    const master = new ListeningMaster();
    await master.listen();
    servers.all[0] = await servers.startOne(0, { disk }, { master: master.address });
    await master.until(() => master.heartbeats.length > 0);
    expect(master.heartbeats[0]).toMatchObject({ diskFailed: true });
    const writer = await servers.connect(0, "client");
    expect((await writer.call(ChunkOp.read, READ)).body.subarray(-PAYLOAD.length).equals(PAYLOAD)).toBe(true);
    const refused = append(writer, grant(2, servers.replicas), PAYLOAD);
    await expect(refused).rejects.toMatchObject({ code: "DISK_FAILED" });
    expect(await servers.command(0, ChunkOp.fence, { handle: 1, version: 2 })).toMatchObject({
      sealed: false,
      diskFailed: true,
    });
    expect(await servers.command(1, ChunkOp.fence, { handle: 1, version: 2 })).not.toHaveProperty(
      "diskFailed",
    );
    const seal = { handle: 1, version: 2, length: CHUNK_HEADER_SIZE };
    await expect(servers.command(0, ChunkOp.seal, seal)).rejects.toMatchObject({ code: "DISK_FAILED" });
    await servers.all[0]!.close();
    await master.close();
    expect(disk.counts).toMatchObject({ write: before.write, sync: before.sync, truncate: before.truncate });
    expect(existsSync(copy)).toBe(true);
    await rm(mark);
    servers.all[0] = await servers.startOne(0, { disk });
    expect(
      (await append(await servers.connect(0, "client"), grant(2, servers.replicas), PAYLOAD)).offset,
    ).toBe(CHUNK_HEADER_SIZE);
    expect(existsSync(copy)).toBe(false);
  });

  test("and that cannot be marked either is used again by a restart that finds it working", async () => {
    const { disk, servers, mark, appendTo } = await cluster();
    await using _ = servers;
    disk.fault = (operation) => {
      if (operation === "sync") throw diskError("EIO");
    };
    await expect(appendTo(1)).rejects.toMatchObject({ code: "DISK_FAILED" });
    await servers.all[0]!.close();
    disk.fault = () => {};
    servers.all[0] = await servers.startOne(0, { disk });
    expect(existsSync(mark)).toBe(false);
    const writer = await servers.connect(0, "client");
    expect((await append(writer, grant(2, servers.replicas), PAYLOAD)).offset).toBe(CHUNK_HEADER_SIZE);
  });
});

test("a mark that nobody can read counts", async () => {
  const { servers, mark } = await cluster();
  await using _ = servers;
  await servers.all[0]!.close();
  await writeFile(mark, Buffer.from([0, 255, 1]));
  servers.all[0] = await servers.startOne(0);
  const writer = await servers.connect(0, "client");
  const refused = append(writer, grant(2, servers.replicas), PAYLOAD);
  await expect(refused).rejects.toMatchObject({ code: "DISK_FAILED" });
});

test("a file system that turned read-only serves reads and refuses all writes", async () => {
  const { disk, servers, writer, appendTo } = await cluster();
  await using _ = servers;
  disk.fault = (operation) => {
    if (operation !== "read") throw diskError("EROFS");
  };
  for (const handle of [1, 2]) {
    await expect(appendTo(handle)).rejects.toMatchObject({ code: "DISK_FAILED" });
  }
  const remove = servers.command(0, ChunkOp.remove, { handle: 1 });
  await expect(remove).rejects.toMatchObject({ code: "DISK_FAILED" });
  expect((await writer.call(ChunkOp.read, READ)).body.subarray(-PAYLOAD.length).equals(PAYLOAD)).toBe(true);
});

test("a directory that cannot be synced is a failed disk: the chunk's name may be lost", async () => {
  const { disk, servers, mark, appendTo } = await cluster();
  await using _ = servers;
  disk.syncDirectory = async () => {
    throw diskError("EIO");
  };
  await expect(appendTo(2)).rejects.toMatchObject({ code: "DISK_FAILED" });
  await expect(appendTo(3)).rejects.toMatchObject({ code: "DISK_FAILED" });
  await servers.all[0]!.close();
  // Its name was not made durable either, but it is there for a restart of the process.
  expect(existsSync(mark)).toBe(true);
});

test("a read that fails with EIO makes one damaged replica, not a failed disk", async () => {
  const { disk, servers, writer, appendTo } = await cluster();
  await using _ = servers;
  disk.fault = (operation, path) => {
    if (operation === "read" && path.endsWith("1.chunk")) throw diskError("EIO");
  };
  for (let i = 0; i < 20; i++) {
    await expect(writer.call(ChunkOp.read, READ)).rejects.toMatchObject({ code: "CHECKSUM" });
  }
  expect((await appendTo(2)).offset).toBe(CHUNK_HEADER_SIZE);
});

test("a seal that cannot read the replica says so, and the disk goes on", async () => {
  const { disk, servers, writer, appendTo } = await cluster();
  await using _ = servers;
  const { offset } = await append(writer, grant(1, servers.replicas), PAYLOAD);
  disk.fault = (operation, path) => {
    if (operation === "read" && path.endsWith("1.chunk")) throw diskError("EIO");
  };
  const seal = servers.command(0, ChunkOp.seal, { handle: 1, version: 2, length: offset });
  await expect(seal).rejects.toMatchObject({ code: "CHECKSUM" });
  expect((await appendTo(2)).offset).toBe(CHUNK_HEADER_SIZE);
});
