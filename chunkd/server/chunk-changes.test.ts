import { describe, expect, test } from "bun:test";
import { existsSync } from "node:fs";
import { readFile, rm, writeFile } from "node:fs/promises";
import { ChunkOp, type ChunkStat } from "../protocol/messages.ts";
import {
  blockTable,
  CHUNK_HEADER_SIZE,
  encodeRecordHead,
  recordSize,
  SEAL_SIZE,
} from "../protocol/record.ts";
import { chunkBytes } from "../testing/chunk-bytes.ts";
import { append, grant, SECRETS, Servers } from "../testing/cluster.ts";
import { FaultyDisk } from "../testing/faulty-disk.ts";

const PAYLOAD = Buffer.from("a payload");
const RECORD = recordSize(PAYLOAD.length);

/** A chunk with `count` appends that all servers have. */
async function filled(servers: Servers, handle: number, count: number) {
  const writer = await servers.connect(0, "client");
  const lease = grant(handle, servers.replicas);
  for (let i = 0; i < count; i++) await append(writer, lease, PAYLOAD);
  const length = CHUNK_HEADER_SIZE + count * RECORD;
  for (let index = 0; index < servers.all.length; index++) {
    while ((await servers.command(index, ChunkOp.stat, { handle })).length < length) await Bun.sleep(1);
  }
  return { writer, lease, length };
}

const sealAt = (length: number, version = 2) => ({ handle: 1, version, length });

describe("a fence", () => {
  test("refuses appends of an older version from then on, on the primary and on a secondary", async () => {
    await using servers = await Servers.start(3);
    const { writer, lease, length } = await filled(servers, 1, 2);
    const fenced = await servers.command(0, ChunkOp.fence, { handle: 1, version: 2 });
    expect(fenced).toEqual({ version: 2, length, sealed: false, acknowledged: length } as ChunkStat);
    await expect(append(writer, lease, PAYLOAD)).rejects.toMatchObject({ code: "STALE_VERSION" });
  });

  test("on both secondaries alone takes the quorum from a primary that has not heard of it", async () => {
    await using servers = await Servers.start(3);
    const { writer, lease, length } = await filled(servers, 1, 2);
    for (const index of [1, 2]) await servers.command(index, ChunkOp.fence, { handle: 1, version: 2 });
    await expect(append(writer, lease, PAYLOAD)).rejects.toMatchObject({ code: "NO_QUORUM" });
    for (const index of [1, 2]) {
      expect(await servers.command(index, ChunkOp.stat, { handle: 1 })).toMatchObject({ length });
    }
  });

  test("answers only when the writes under way have ended, with what is then on disk", async () => {
    const disk = new FaultyDisk();
    await using servers = await Servers.start(2, [{}, { disk }]);
    const { writer, lease, length } = await filled(servers, 1, 1);
    const stall = Promise.withResolvers<void>();
    const syncing = Promise.withResolvers<void>();
    disk.fault = (operation) => {
      if (operation !== "sync") return undefined;
      syncing.resolve();
      return stall.promise;
    };
    const late = append(writer, lease, PAYLOAD);
    await syncing.promise;
    const master = await servers.connect(1, "master");
    const fencing = master.call(ChunkOp.fence, { handle: 1, version: 2 });
    // A stat that is answered meanwhile shows that the fence has been read and waits.
    expect((await master.call(ChunkOp.stat, { handle: 1 })).meta).toMatchObject({ version: 2, length });
    stall.resolve();
    expect((await fencing).meta).toEqual({ version: 2, length: length + RECORD, sealed: false });
    await late;
  });

  test("of a chunk that is not here yet holds for the append that comes late", async () => {
    await using servers = await Servers.start(2);
    const fence = servers.command(0, ChunkOp.fence, { handle: 9, version: 2 });
    await expect(fence).rejects.toMatchObject({ code: "NO_SUCH_CHUNK" });
    const writer = await servers.connect(0, "client");
    const late = append(writer, grant(9, servers.replicas), PAYLOAD);
    await expect(late).rejects.toMatchObject({ code: "STALE_VERSION" });
    expect(existsSync(servers.chunkFile(0, 9))).toBe(false);
  });

  test("outlives a restart: what was open before takes no more appends", async () => {
    await using servers = await Servers.start(2);
    const { lease, length } = await filled(servers, 1, 2);
    await servers.restart(0);
    const writer = await servers.connect(0, "client");
    const moved = grant(1, servers.replicas, { version: lease.version });
    await expect(append(writer, moved, PAYLOAD)).rejects.toMatchObject({ code: "NOT_OPEN" });
    const stat = await servers.command(0, ChunkOp.stat, { handle: 1 });
    expect(stat).toEqual({ version: 1, length, sealed: false });
  });
});

describe("a lease of before a restart", () => {
  /** Both chunkservers have one record; then the one at `index` loses the file and starts again. */
  async function withLostFile(servers: Servers, index: number) {
    const { lease } = await filled(servers, 1, 1);
    await servers.all[index]!.close();
    await rm(servers.chunkFile(index, 1));
    servers.all[index] = await servers.startOne(index);
    return lease;
  }

  test("makes no chunk anew that its primary has lost", async () => {
    await using servers = await Servers.start(2);
    const lease = await withLostFile(servers, 0);
    const writer = await servers.connect(0, "client");
    await expect(append(writer, lease, PAYLOAD)).rejects.toMatchObject({ code: "STALE_VERSION" });
    expect(existsSync(servers.chunkFile(0, 1))).toBe(false);
  });

  test("makes no chunk anew that a secondary has lost", async () => {
    await using servers = await Servers.start(2);
    const lease = await withLostFile(servers, 1);
    const primary = await servers.connect(1, "chunkserver", "c0");
    const at = { handle: 1, version: 1, offset: CHUNK_HEADER_SIZE };
    const head = encodeRecordHead({ ...at, size: PAYLOAD.length, table: blockTable(PAYLOAD) });
    const late = primary.call(ChunkOp.replicate, { ...lease, ...at }, [head, PAYLOAD]);
    await expect(late).rejects.toMatchObject({ code: "STALE_VERSION" });
    expect(existsSync(servers.chunkFile(1, 1))).toBe(false);
  });
});

describe("a seal", () => {
  test("makes the replicas equal byte for byte, whatever garbage each had behind the length", async () => {
    await using servers = await Servers.start(3);
    const { length } = await filled(servers, 1, 5);
    const shorter = length - 2 * RECORD;
    for (const index of [0, 1, 2]) {
      const stat = await servers.command(index, ChunkOp.seal, sealAt(shorter));
      expect(stat).toEqual({ version: 2, length: shorter, sealed: true });
    }
    const files = await Promise.all([0, 1, 2].map((index) => readFile(servers.chunkFile(index, 1))));
    expect(files[0]!.length).toBe(shorter + SEAL_SIZE);
    expect(files[1]).toEqual(files[0]!);
    expect(files[2]).toEqual(files[0]!);
  });

  test("asked for again changes nothing; with a higher version it carries that one", async () => {
    await using servers = await Servers.start(2);
    const { length } = await filled(servers, 1, 2);
    const first = await servers.command(0, ChunkOp.seal, sealAt(length));
    const bytes = await readFile(servers.chunkFile(0, 1));
    expect(await servers.command(0, ChunkOp.seal, sealAt(length))).toEqual(first);
    expect(await readFile(servers.chunkFile(0, 1))).toEqual(bytes);
    await servers.command(0, ChunkOp.seal, sealAt(length, 5));
    await servers.restart(0);
    const stat = await servers.command(0, ChunkOp.stat, { handle: 1 });
    expect(stat).toEqual({ version: 5, length, sealed: true });
  });

  test("is refused where the replica is short, sealed elsewhere, fenced above, or has no border", async () => {
    await using servers = await Servers.start(2);
    const { length } = await filled(servers, 1, 3);
    const refused = (request: unknown) => servers.command(0, ChunkOp.seal, request);
    await expect(refused(sealAt(length + RECORD))).rejects.toMatchObject({ code: "OUT_OF_RANGE" });
    await expect(refused(sealAt(length - 1))).rejects.toMatchObject({ code: "BAD_REQUEST" });
    await servers.command(0, ChunkOp.fence, { handle: 1, version: 3 });
    await expect(refused(sealAt(length, 2))).rejects.toMatchObject({ code: "STALE_VERSION" });
    await servers.command(0, ChunkOp.seal, sealAt(length, 3));
    await expect(refused(sealAt(length - RECORD, 3))).rejects.toMatchObject({ code: "OUT_OF_RANGE" });
    expect(await servers.command(0, ChunkOp.stat, { handle: 1 })).toMatchObject({ length, sealed: true });
  });

  test("ends appends, and a chunk without records can have one", async () => {
    await using servers = await Servers.start(2);
    const { writer, lease } = await filled(servers, 1, 1);
    await servers.command(0, ChunkOp.seal, sealAt(CHUNK_HEADER_SIZE, 1));
    await expect(append(writer, lease, PAYLOAD)).rejects.toMatchObject({ code: "NOT_OPEN" });
    await servers.restart(0);
    const stat = await servers.command(0, ChunkOp.stat, { handle: 1 });
    expect(stat).toEqual({ version: 1, length: CHUNK_HEADER_SIZE, sealed: true });
  });

  test("of a file that somebody deleted says so, and is not taken for a failing disk", async () => {
    await using servers = await Servers.start(2);
    const { writer, length } = await filled(servers, 1, 1);
    await servers.restart(0);
    await Bun.file(servers.chunkFile(0, 1)).delete();
    const seal = servers.command(0, ChunkOp.seal, sealAt(length));
    await expect(seal).rejects.toMatchObject({ code: "CHECKSUM" });
    expect(writer.closed).toBe(true);
    const again = await servers.connect(0, "client");
    await append(again, grant(2, servers.replicas), PAYLOAD);
  });
});

describe("a removal", () => {
  test("deletes the file, is idempotent, and a late append does not bring the chunk back", async () => {
    await using servers = await Servers.start(2);
    const { writer, lease } = await filled(servers, 1, 2);
    await servers.command(0, ChunkOp.remove, { handle: 1 });
    await servers.command(0, ChunkOp.remove, { handle: 1 });
    expect(existsSync(servers.chunkFile(0, 1))).toBe(false);
    await expect(append(writer, lease, PAYLOAD)).rejects.toMatchObject({ code: "STALE_VERSION" });
    await servers.restart(0);
    const stat = servers.command(0, ChunkOp.stat, { handle: 1 });
    await expect(stat).rejects.toMatchObject({ code: "NO_SUCH_CHUNK" });
  });

  test("of a chunk whose file is another cluster's keeps that file under another name", async () => {
    await using servers = await Servers.start(1);
    const foreign = chunkBytes("f".repeat(32), 7, [PAYLOAD], { sealed: true }).bytes;
    await writeFile(servers.chunkFile(0, 7), foreign);
    await servers.restart(0);
    const stat = servers.command(0, ChunkOp.stat, { handle: 7 });
    await expect(stat).rejects.toMatchObject({ code: "CHECKSUM" });
    await servers.command(0, ChunkOp.remove, { handle: 7 });
    expect(existsSync(servers.chunkFile(0, 7))).toBe(false);
    const kept = await readFile(servers.chunkFile(0, 7).replace(/chunk$/, "kept"));
    expect(kept.equals(foreign)).toBe(true);
  });

  test("of a damaged file deletes it", async () => {
    await using servers = await Servers.start(1);
    const { bytes } = chunkBytes(SECRETS.clusterId, 7, [PAYLOAD], { sealed: true });
    bytes[0]! ^= 1;
    await writeFile(servers.chunkFile(0, 7), bytes);
    await servers.restart(0);
    await servers.command(0, ChunkOp.remove, { handle: 7 });
    expect(existsSync(servers.chunkFile(0, 7))).toBe(false);
  });
});
