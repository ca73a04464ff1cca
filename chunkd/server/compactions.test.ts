import { describe, expect, test } from "bun:test";
import { readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Connection } from "../protocol/connection.ts";
import { ChunkOp, COMPACT_EXTENTS_MAX, type CompactResponse } from "../protocol/messages.ts";
import {
  CHUNK_HEADER_SIZE,
  decodeRecordHead,
  extendChecksum,
  RECORD_PAYLOAD_MAX,
  recordSize,
} from "../protocol/record.ts";
import { chunkBytes } from "../testing/chunk-bytes.ts";
import { SECRETS, Servers } from "../testing/cluster.ts";
import { diskError, FaultyDisk } from "../testing/faulty-disk.ts";
import { ManualClock } from "../testing/manual-clock.ts";
import { PowerDisk } from "../testing/power-disk.ts";
import type { ChunkserverEnvironment } from "./chunkserver.ts";

const MIB = RECORD_PAYLOAD_MAX;
const SOURCE = 1;
const TARGET = 2;

/** Extents of these sizes, back to back in one sealed chunk. */
function sourceOf(sizes: readonly number[]) {
  const payloads: Buffer[] = [];
  const places: { offset: number; length: number }[] = [];
  let offset = CHUNK_HEADER_SIZE;
  for (const [index, length] of sizes.entries()) {
    places.push({ offset, length });
    for (let left = length; left > 0; left -= MIB) {
      const payload = Buffer.alloc(Math.min(left, MIB), index + 1);
      payload.writeUInt8(payloads.length & 255, 0);
      payloads.push(payload);
      offset += recordSize(payload.length);
    }
  }
  const { bytes } = chunkBytes(SECRETS.clusterId, SOURCE, payloads, { version: 3, sealed: true });
  return { bytes, places, length: offset };
}

type Source = ReturnType<typeof sourceOf>;

function body(places: readonly { offset: number; length: number }[]): Buffer {
  const encoded = Buffer.alloc(places.length * 8);
  for (const [index, { offset, length }] of places.entries()) {
    encoded.writeUInt32LE(offset, index * 8);
    encoded.writeUInt32LE(length, index * 8 + 4);
  }
  return encoded;
}

function requestFor({ length }: Source) {
  return { source: SOURCE, sourceVersion: 3, sourceLength: length, target: TARGET, version: 3 };
}

async function compact(master: Connection, source: Source, indexes: readonly number[], more = {}) {
  const places = indexes.map((index) => source.places[index]!);
  const request = { ...requestFor(source), ...more };
  const answer = await master.call(ChunkOp.compact, request, body(places), 60_000);
  const { length } = answer.meta as CompactResponse;
  const extents = indexes.map((index, at) => ({
    handle: request.target,
    offset: answer.body.readUInt32LE(at * 8),
    length: source.places[index]!.length,
    checksum: answer.body.readUInt32LE(at * 8 + 4),
  }));
  return { length, extents, body: answer.body };
}

async function withSource(
  source: Source,
  count = 1,
  given: Partial<ChunkserverEnvironment>[] = [],
): Promise<Servers> {
  const parts = Array.from({ length: count }, (_, index) => given[index] ?? {});
  const servers = await Servers.start(count, parts);
  for (let index = 0; index < count; index++) {
    await writeFile(servers.chunkFile(index, SOURCE), source.bytes);
    await servers.all[index]!.close();
    servers.all[index] = await servers.startOne(index, parts[index]);
  }
  return servers;
}

/** An extent's payload, read record by record, and its checksum. */
async function readExtent(reader: Connection, extent: { handle: number; offset: number; length: number }) {
  const parts: Buffer[] = [];
  let checksum = 0;
  let { offset } = extent;
  for (let left = extent.length; left > 0; left -= MIB) {
    const place = { handle: extent.handle, offset, firstBlock: 0, blockCount: 16 };
    const { body: record } = await reader.call(ChunkOp.read, place);
    const head = decodeRecordHead(record, extent.handle, offset);
    if (typeof head === "string") throw new Error(head);
    parts.push(record.subarray(head.headSize));
    checksum = extendChecksum(checksum, head.crc);
    offset += record.length;
  }
  return { payload: Buffer.concat(parts), checksum };
}

/** Whether the source counts as damaged: only then a copy of it asks elsewhere. */
async function isMarked(servers: Servers, { length }: Source): Promise<boolean> {
  const nowhere = { id: "nowhere", address: "127.0.0.1:1" };
  const copying = servers.command(0, ChunkOp.copy, {
    handle: SOURCE,
    version: 3,
    length,
    sources: [nowhere],
  });
  return await copying.then(
    () => false,
    () => true,
  );
}

const MIXED = sourceOf([5, 3 * MIB + 17, 100_000, 1, 2 * MIB, 65_536, 70_000]);
const KEPT = [1, 2, 4, 6];

describe("a compaction", () => {
  test("makes equal files and answers on all replicas; every kept extent reads as before, also after a restart", async () => {
    await using servers = await withSource(MIXED, 3);
    const answers = [];
    for (const index of [0, 1, 2]) {
      answers.push(await compact(await servers.connect(index, "master"), MIXED, KEPT));
    }
    expect(answers[1]).toEqual(answers[0]!);
    expect(answers[2]).toEqual(answers[0]!);
    const files = await Promise.all([0, 1, 2].map((index) => readFile(servers.chunkFile(index, TARGET))));
    expect(files[0]!.equals(files[1]!) && files[0]!.equals(files[2]!)).toBe(true);
    const { length, extents } = answers[0]!;
    const stat = { version: 3, length, sealed: true };
    expect(await servers.command(0, ChunkOp.stat, { handle: TARGET })).toEqual(stat);
    await servers.restart(0);
    expect(await servers.command(0, ChunkOp.stat, { handle: TARGET })).toEqual(stat);
    const reader = await servers.connect(0, "client");
    for (const [at, index] of KEPT.entries()) {
      const before = await readExtent(reader, { handle: SOURCE, ...MIXED.places[index]! });
      const after = await readExtent(reader, extents[at]!);
      expect(after.payload.equals(before.payload)).toBe(true);
      expect(after.checksum).toBe(extents[at]!.checksum);
    }
  });

  test("asked for again answers the same and writes nothing", async () => {
    const disk = new FaultyDisk();
    await using servers = await withSource(MIXED, 1, [{ disk }]);
    const master = await servers.connect(0, "master");
    const first = await compact(master, MIXED, KEPT);
    const { write } = disk.counts;
    expect(await compact(master, MIXED, KEPT)).toEqual(first);
    expect(disk.counts.write).toBe(write);
  });

  test("of other extents into a target that is here is refused", async () => {
    const equal = sourceOf([10, 10, 10]);
    await using servers = await withSource(equal);
    const master = await servers.connect(0, "master");
    await compact(master, equal, [0, 1]);
    const before = await readFile(servers.chunkFile(0, TARGET));
    await expect(compact(master, equal, [0, 2])).rejects.toMatchObject({ code: "BAD_REQUEST" });
    expect((await readFile(servers.chunkFile(0, TARGET))).equals(before)).toBe(true);
  });

  test("of more tiny extents than fit a second's work leaves the server answering", async () => {
    const count = COMPACT_EXTENTS_MAX;
    const tiny = sourceOf(Array.from({ length: count }, (_, index) => 1 + (index % 7)));
    await using servers = await withSource(tiny);
    const master = await servers.connect(0, "master");
    const indexes = Array.from({ length: count }, (_, index) => index);
    let longest = 0;
    let last = performance.now();
    const watch = setInterval(() => {
      longest = Math.max(longest, performance.now() - last);
      last = performance.now();
    }, 1);
    const { extents, length } = await compact(master, tiny, indexes);
    clearInterval(watch);
    expect(length).toBe(tiny.length);
    expect(extents.map(({ offset }) => offset)).toEqual(tiny.places.map(({ offset }) => offset));
    expect(longest).toBeLessThan(500);
  });
});

describe("a compaction is refused", () => {
  test("for extents that are out of order, over one another, empty, outside, too many, or none", async () => {
    await using servers = await withSource(MIXED);
    const master = await servers.connect(0, "master");
    const [first, second] = MIXED.places as [{ offset: number; length: number }, (typeof MIXED.places)[0]];
    const call = (places: Buffer) => master.call(ChunkOp.compact, requestFor(MIXED), places);
    for (const places of [
      body([second!, first]),
      body([first, first]),
      body([{ ...first, length: 0 }]),
      body([{ offset: 0, length: 5 }]),
      body([{ offset: MIXED.length, length: 1 }]),
      body([{ offset: 2 ** 32 - 1, length: 2 ** 32 - 1 }]),
      body([first, { offset: first.offset + 1, length: 1 }]),
      Buffer.alloc(0),
      Buffer.alloc(7),
      Buffer.alloc(8 * (COMPACT_EXTENTS_MAX + 1)),
    ]) {
      await expect(call(places)).rejects.toMatchObject({ code: "BAD_REQUEST" });
    }
    expect(await readdir(join(servers.directoryOf(0), "chunks"))).toHaveLength(1);
  });

  test("for an extent that is none of the source's, without blaming the replica", async () => {
    await using servers = await withSource(MIXED);
    const master = await servers.connect(0, "master");
    const call = (place: { offset: number; length: number }) =>
      master.call(ChunkOp.compact, requestFor(MIXED), body([place]));
    const { offset, length } = MIXED.places[1]!;
    for (const wrong of [
      { offset: offset + 1, length: 10 },
      { offset, length: length - 1 },
      { offset, length: length + 1 },
      { offset, length: 5 },
    ]) {
      await expect(call(wrong)).rejects.toMatchObject({ code: "BAD_REQUEST" });
    }
    expect(await readdir(join(servers.directoryOf(0), "chunks"))).toHaveLength(1);
    expect(await isMarked(servers, MIXED)).toBe(false);
    expect((await compact(master, MIXED, KEPT)).extents).toHaveLength(KEPT.length);
  });

  test("for a source that is not here, of another version or length, or not sealed", async () => {
    await using servers = await withSource(MIXED);
    const master = await servers.connect(0, "master");
    const refused = (more: object) => compact(master, MIXED, KEPT, more);
    await expect(refused({ source: 9 })).rejects.toMatchObject({ code: "NO_SUCH_CHUNK" });
    await expect(refused({ sourceVersion: 4 })).rejects.toMatchObject({ code: "STALE_VERSION" });
    await expect(refused({ sourceLength: MIXED.length + 1 })).rejects.toMatchObject({ code: "OUT_OF_RANGE" });
    await expect(refused({ target: SOURCE })).rejects.toMatchObject({ code: "BAD_REQUEST" });
  });

  test("for damage in a kept extent, anywhere in it; the replica is marked and nothing is left", async () => {
    const small = sourceOf([20, 70_000]);
    const { offset } = small.places[1]!;
    for (const at of [offset, offset + 17, offset + 24, offset + 41, offset + 60, offset + 70_000]) {
      await using servers = await withSource(small);
      const damaged = Buffer.from(small.bytes);
      damaged[at]! ^= 4;
      await writeFile(servers.chunkFile(0, SOURCE), damaged);
      const master = await servers.connect(0, "master");
      await expect(compact(master, small, [0, 1])).rejects.toMatchObject({ code: "CHECKSUM" });
      const stat = servers.command(0, ChunkOp.stat, { handle: TARGET });
      await expect(stat).rejects.toMatchObject({ code: "NO_SUCH_CHUNK" });
      expect(await isMarked(servers, small)).toBe(true);
      expect(await readdir(join(servers.directoryOf(0), "chunks"))).toHaveLength(1);
      // What is whole can still be moved.
      expect((await compact(master, small, [0])).extents).toHaveLength(1);
    }
  });

  test("on a full disk, with nothing left, and goes through when there is room", async () => {
    const disk = new FaultyDisk();
    const clock = new ManualClock();
    await using servers = await withSource(MIXED, 1, [{ disk, clock }]);
    const master = await servers.connect(0, "master");
    disk.fault = (operation, path) => {
      if (operation === "write" && path.endsWith(".copy")) throw diskError("ENOSPC");
    };
    await expect(compact(master, MIXED, KEPT)).rejects.toMatchObject({ code: "NO_SPACE" });
    expect(await readdir(join(servers.directoryOf(0), "chunks"))).toHaveLength(1);
    disk.fault = () => {};
    clock.advance(1_001);
    // The file system is asked in the background: the answer comes within a few attempts.
    let outcome: unknown;
    do {
      outcome = await compact(master, MIXED, KEPT).catch((error: { code: string }) => error.code);
    } while (outcome === "NO_SPACE");
    expect(outcome).toHaveProperty("length");
  });

  test("on a failed disk", async () => {
    const disk = new FaultyDisk();
    await using servers = await withSource(MIXED, 1, [{ disk }]);
    const master = await servers.connect(0, "master");
    disk.fault = (operation, path) => {
      if (operation === "sync" && path.endsWith(".copy")) throw diskError("EIO");
    };
    await expect(compact(master, MIXED, KEPT)).rejects.toMatchObject({ code: "DISK_FAILED" });
    disk.fault = () => {};
    await expect(compact(master, MIXED, KEPT)).rejects.toMatchObject({ code: "DISK_FAILED" });
  });
});

test("a power failure at any disk operation leaves the source whole, and the target whole or absent", async () => {
  const small = sourceOf([20, 70_000, 5]);
  const whole = await withSource(small);
  const expected = await compact(await whole.connect(0, "master"), small, [0, 2]);
  const target = await readFile(whole.chunkFile(0, TARGET));
  await whole[Symbol.asyncDispose]();
  let outcomes = { absent: 0, present: 0 };
  for (let operations = 0, done = false; !done; operations++) {
    await using servers = await withSource(small);
    await servers.all[0]!.close();
    const disk = new PowerDisk();
    servers.all[0] = await servers.startOne(0, { disk }, { scrub: { bytesPerSecond: 0, periodMs: 1 } });
    disk.powerOffAfter(operations);
    const master = await servers.connect(0, "master");
    done = await compact(master, small, [0, 2]).then(
      () => true,
      () => false,
    );
    await servers.all[0]!.close();
    await disk.lose();
    servers.all[0] = await servers.startOne(0);
    expect((await readFile(servers.chunkFile(0, SOURCE))).equals(small.bytes)).toBe(true);
    const found = await readFile(servers.chunkFile(0, TARGET)).catch(() => undefined);
    if (found) expect(found.equals(target)).toBe(true);
    if (done) expect(found).toBeDefined();
    outcomes = { ...outcomes, [found ? "present" : "absent"]: outcomes[found ? "present" : "absent"] + 1 };
    const names = await readdir(join(servers.directoryOf(0), "chunks"));
    expect(names.filter((name) => name.endsWith(".copy"))).toEqual([]);
    expect(await compact(await servers.connect(0, "master"), small, [0, 2])).toEqual(expected);
  }
  expect(outcomes.absent).toBeGreaterThan(5);
  expect(outcomes.present).toBeGreaterThan(1);
});

test("a target that is removed while its compaction waits is not brought back", async () => {
  const disk = new FaultyDisk();
  const many = sourceOf([2 * MIB, 10]);
  await using servers = await withSource(many, 1, [{ disk }]);
  const master = await servers.connect(0, "master");
  const stalled = Promise.withResolvers<void>();
  const proceed = Promise.withResolvers<void>();
  disk.fault = (operation, path) => {
    if (operation !== "sync" || !path.endsWith(".copy")) return undefined;
    stalled.resolve();
    return proceed.promise;
  };
  const first = compact(master, many, [0], { target: 7 });
  await stalled.promise;
  const second = compact(master, many, [1], { target: 8 });
  second.catch(() => {});
  await master.call(ChunkOp.remove, { handle: 8 });
  proceed.resolve();
  await first;
  await expect(second).rejects.toMatchObject({ code: "NO_SUCH_CHUNK" });
  expect((await readdir(join(servers.directoryOf(0), "chunks"))).sort()).toEqual([
    "0000000000000001.chunk",
    "0000000000000007.chunk",
  ]);
});

test("compactions beyond those that may wait are refused", async () => {
  const disk = new FaultyDisk();
  await using servers = await withSource(MIXED, 1, [{ disk }]);
  const master = await servers.connect(0, "master");
  const proceed = Promise.withResolvers<void>();
  disk.fault = (operation, path) =>
    operation === "sync" && path.endsWith(".copy") ? proceed.promise : undefined;
  const all = Array.from({ length: 6 }, (_, index) => compact(master, MIXED, KEPT, { target: 10 + index }));
  await expect(all[5]!).rejects.toMatchObject({ code: "OVERLOADED" });
  proceed.resolve();
  await Promise.all(all.slice(0, 5));
});

test("a malformed request is refused, and so is anybody but the master", async () => {
  await using servers = await withSource(MIXED);
  const master = await servers.connect(0, "master");
  const good = requestFor(MIXED);
  const places = body([MIXED.places[0]!]);
  for (const field of Object.keys(good)) {
    for (const value of [undefined, null, -1, 1.5, "1", 2 ** 53, {}]) {
      const call = master.call(ChunkOp.compact, { ...good, [field]: value }, places);
      await expect(call).rejects.toMatchObject({ code: "BAD_REQUEST" });
    }
  }
  for (const role of ["client", "chunkserver"] as const) {
    const other = await servers.connect(0, role);
    await expect(other.call(ChunkOp.compact, good, places)).rejects.toMatchObject({ code: "FORBIDDEN" });
    await expect(other.call(ChunkOp.scrub, { action: "now" })).rejects.toMatchObject({ code: "FORBIDDEN" });
  }
  for (const meta of [undefined, {}, { action: "stop" }, { action: 1 }]) {
    await expect(master.call(ChunkOp.scrub, meta)).rejects.toMatchObject({ code: "BAD_REQUEST" });
  }
});
