import { describe, expect, test } from "bun:test";
import { open, readFile } from "node:fs/promises";
import { ChunkOp } from "../protocol/messages.ts";
import {
  BLOCK_SIZE,
  blocksMatch,
  CHUNK_HEADER_SIZE,
  decodeRecordHead,
  RECORD_PAYLOAD_MAX,
  recordHeadSize,
  recordSize,
} from "../protocol/record.ts";
import { append, grant, Servers } from "../testing/cluster.ts";
import { diskError, FaultyDisk } from "../testing/faulty-disk.ts";

/** Bytes that differ from block to block. */
function payloadOf(size: number): Buffer {
  return Buffer.from(Uint8Array.from({ length: size }, (_, i) => (i * 31 + (i >> 16)) & 0xff));
}

type Reader = Awaited<ReturnType<Servers["connect"]>>;

/** Reads and checks as a client does; the bytes of the blocks. */
async function read(reader: Reader, offset: number, firstBlock: number, blockCount: number): Promise<Buffer> {
  const { body } = await reader.call(ChunkOp.read, { handle: 1, offset, firstBlock, blockCount });
  const head = decodeRecordHead(body, 1, offset);
  if (typeof head === "string") throw new Error(`the head is ${head}`);
  const blocks = body.subarray(head.headSize);
  expect(blocksMatch(head.table, blocks, firstBlock)).toBe(true);
  return blocks;
}

async function flipByte(path: string, at: number): Promise<void> {
  const bytes = await readFile(path);
  const file = await open(path, "r+");
  await file.write(Buffer.from([bytes[at]! ^ 0x10]), 0, 1, at);
  await file.close();
}

describe("a read", () => {
  test("gives any run of blocks of any record, and only those", async () => {
    await using servers = await Servers.start(2);
    const writer = await servers.connect(0, "client");
    const lease = grant(1, servers.replicas);
    for (const size of [1, 5000, BLOCK_SIZE, 3 * BLOCK_SIZE + 7, RECORD_PAYLOAD_MAX]) {
      const payload = payloadOf(size);
      const { offset } = await append(writer, lease, payload);
      const blocks = Math.ceil(size / BLOCK_SIZE);
      for (const [first, count] of [
        [0, 1],
        [0, blocks],
        [blocks - 1, 1],
        [Math.min(1, blocks - 1), 16],
      ] as const) {
        const bytes = await read(writer, offset, first, count);
        expect(bytes.equals(payload.subarray(first * BLOCK_SIZE, (first + count) * BLOCK_SIZE))).toBe(true);
      }
    }
  });

  test("behind the durable length or behind the record's blocks is out of range", async () => {
    await using servers = await Servers.start(2);
    const writer = await servers.connect(0, "client");
    const { offset } = await append(writer, grant(1, servers.replicas), payloadOf(100));
    for (const [at, first] of [
      [offset + recordSize(100), 0],
      [60_000_000, 0],
      [offset, 1],
      [offset, 15],
    ] as const) {
      await expect(read(writer, at, first, 1)).rejects.toMatchObject({ code: "OUT_OF_RANGE" });
    }
  });

  test("of bytes that are written but not synced yet is out of range", async () => {
    const disk = new FaultyDisk();
    await using servers = await Servers.start(2, [{}, { disk }]);
    const writer = await servers.connect(0, "client");
    const lease = grant(1, servers.replicas);
    await append(writer, lease, payloadOf(10));
    const stall = Promise.withResolvers<void>();
    const syncing = Promise.withResolvers<void>();
    disk.fault = (operation) => {
      if (operation !== "sync") return undefined;
      syncing.resolve();
      return stall.promise;
    };
    const second = append(writer, lease, payloadOf(10));
    await syncing.promise;
    const reader = await servers.connect(1, "client");
    const offset = CHUNK_HEADER_SIZE + recordSize(10);
    await expect(read(reader, offset, 0, 1)).rejects.toMatchObject({ code: "OUT_OF_RANGE" });
    stall.resolve();
    await second;
    expect((await read(reader, offset, 0, 1)).equals(payloadOf(10))).toBe(true);
  });

  test("that a seal cuts off under it is out of range, and no damage", async () => {
    const disk = new FaultyDisk();
    await using servers = await Servers.start(2, [{ disk }]);
    const writer = await servers.connect(0, "client");
    const lease = grant(1, servers.replicas);
    await append(writer, lease, payloadOf(10));
    const { offset } = await append(writer, lease, payloadOf(10));
    const stall = Promise.withResolvers<void>();
    const reading = Promise.withResolvers<void>();
    disk.fault = (operation) => {
      if (operation !== "read") return undefined;
      disk.fault = () => {};
      reading.resolve();
      return stall.promise;
    };
    const cut = read(writer, offset, 0, 1);
    await reading.promise;
    await servers.command(0, ChunkOp.seal, { handle: 1, version: 2, length: offset });
    stall.resolve();
    await expect(cut).rejects.toMatchObject({ code: "OUT_OF_RANGE" });
  });

  test("of a place where no record begins is the asker's mistake, not damage", async () => {
    await using servers = await Servers.start(2);
    const writer = await servers.connect(0, "client");
    const lease = grant(1, servers.replicas);
    for (let i = 0; i < 3; i++) await append(writer, lease, payloadOf(100));
    for (const at of [65, 100, CHUNK_HEADER_SIZE + recordSize(100) + 1]) {
      await expect(read(writer, at, 0, 1)).rejects.toMatchObject({ code: "BAD_REQUEST" });
    }
  });
});

describe("a damaged replica", () => {
  const size = 3 * BLOCK_SIZE;

  test("answers CHECKSUM for the block with a flipped bit, and the other blocks as ever", async () => {
    await using servers = await Servers.start(2);
    const writer = await servers.connect(0, "client");
    const payload = payloadOf(size);
    await append(writer, grant(1, servers.replicas), payload);
    await flipByte(servers.chunkFile(0, 1), CHUNK_HEADER_SIZE + recordHeadSize(size) + BLOCK_SIZE + 5);
    await expect(read(writer, CHUNK_HEADER_SIZE, 1, 1)).rejects.toMatchObject({ code: "CHECKSUM" });
    await expect(read(writer, CHUNK_HEADER_SIZE, 0, 3)).rejects.toMatchObject({ code: "CHECKSUM" });
    const last = await read(writer, CHUNK_HEADER_SIZE, 2, 1);
    expect(last.equals(payload.subarray(2 * BLOCK_SIZE))).toBe(true);
  });

  test("answers CHECKSUM for a record whose head, or whose predecessor's head, has a flipped bit", async () => {
    await using servers = await Servers.start(2);
    const writer = await servers.connect(0, "client");
    const lease = grant(1, servers.replicas);
    await append(writer, lease, payloadOf(100));
    const { offset } = await append(writer, lease, payloadOf(100));
    await flipByte(servers.chunkFile(0, 1), offset + 20);
    await expect(read(writer, offset, 0, 1)).rejects.toMatchObject({ code: "CHECKSUM" });
    expect((await read(writer, CHUNK_HEADER_SIZE, 0, 1)).equals(payloadOf(100))).toBe(true);
    await flipByte(servers.chunkFile(0, 1), CHUNK_HEADER_SIZE + 1);
    await expect(read(writer, offset, 0, 1)).rejects.toMatchObject({ code: "CHECKSUM" });
  });

  test("answers CHECKSUM for a file that was cut, or that the disk cannot read", async () => {
    const disk = new FaultyDisk();
    await using servers = await Servers.start(2, [{ disk }]);
    const writer = await servers.connect(0, "client");
    await append(writer, grant(1, servers.replicas), payloadOf(size));
    disk.fault = (operation) => {
      if (operation === "read") throw diskError("EIO");
    };
    await expect(read(writer, CHUNK_HEADER_SIZE, 0, 1)).rejects.toMatchObject({ code: "CHECKSUM" });
    disk.fault = () => {};
    const file = await open(servers.chunkFile(0, 1), "r+");
    await file.truncate(CHUNK_HEADER_SIZE + 1000);
    await file.close();
    await expect(read(writer, CHUNK_HEADER_SIZE, 0, 1)).rejects.toMatchObject({ code: "CHECKSUM" });
  });

  test("is not made of one that cannot be opened for want of descriptors", async () => {
    const disk = new FaultyDisk();
    await using servers = await Servers.start(2, [{ disk }]);
    const writer = await servers.connect(0, "client");
    await append(writer, grant(1, servers.replicas), payloadOf(10));
    disk.fault = (operation) => {
      if (operation === "read") throw diskError("EMFILE");
    };
    await expect(read(writer, CHUNK_HEADER_SIZE, 0, 1)).rejects.toMatchObject({ code: "OVERLOADED" });
    disk.fault = () => {};
    expect((await read(writer, CHUNK_HEADER_SIZE, 0, 1)).length).toBe(10);
  });
});
