import { describe, expect, test } from "bun:test";
import { existsSync } from "node:fs";
import { readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { ChunkOp } from "../protocol/messages.ts";
import { CHUNK_HEADER_SIZE } from "../protocol/record.ts";
import { chunkBytes } from "../testing/chunk-bytes.ts";
import { append, grant, SECRETS, Servers } from "../testing/cluster.ts";
import { FaultyDisk } from "../testing/faulty-disk.ts";
import { ManualClock } from "../testing/manual-clock.ts";

const PAYLOADS = [5_000_000, 1, 1_048_576, 70_000].flatMap((size) =>
  Array.from({ length: Math.ceil(size / 1_048_576) }, (_, i) =>
    Buffer.alloc(Math.min(size, 1_048_576), i + 1),
  ),
);

/** Two servers: the first holds sealed chunks 1, 2, ... as given, the second nothing. */
async function withSource(files: Record<number, Buffer>, disk?: FaultyDisk): Promise<Servers> {
  const servers = await Servers.start(2, [{}, disk ? { disk } : {}]);
  for (const [handle, bytes] of Object.entries(files)) {
    await writeFile(servers.chunkFile(0, Number(handle)), bytes);
  }
  await servers.restart(0);
  return servers;
}

function copyRequest(servers: Servers, length: number, { handle = 1, version = 3 } = {}) {
  return { handle, version, length, sources: [servers.replicas[0]!] };
}

const good = chunkBytes(SECRETS.clusterId, 1, PAYLOADS, { version: 3, sealed: true });
const length = good.borders.at(-1)!;

test("a copy is equal to its source byte for byte, and outlives a restart", async () => {
  await using servers = await withSource({ 1: good.bytes });
  const stat = await servers.command(1, ChunkOp.copy, copyRequest(servers, length));
  expect(stat).toEqual({ version: 3, length, sealed: true });
  expect((await readFile(servers.chunkFile(1, 1))).equals(good.bytes)).toBe(true);
  await servers.restart(1);
  expect(await servers.command(1, ChunkOp.stat, { handle: 1 })).toEqual(stat);
});

test("a copy of what is here and whole fetches nothing", async () => {
  await using servers = await withSource({ 1: good.bytes });
  await servers.command(1, ChunkOp.copy, copyRequest(servers, length));
  await servers.all[0]!.close();
  const stat = await servers.command(1, ChunkOp.copy, copyRequest(servers, length));
  expect(stat).toEqual({ version: 3, length, sealed: true });
});

test("a copy over a replica that looks whole, but that a reader found damaged, really replaces it", async () => {
  await using servers = await withSource({ 1: good.bytes });
  await servers.command(1, ChunkOp.copy, copyRequest(servers, length));
  const damaged = Buffer.from(good.bytes);
  damaged[good.borders[0]! + 100]! ^= 1;
  await writeFile(servers.chunkFile(1, 1), damaged);
  // Without the word of the reader nothing shows that it is not whole.
  await servers.command(1, ChunkOp.copy, copyRequest(servers, length));
  expect((await readFile(servers.chunkFile(1, 1))).equals(damaged)).toBe(true);
  const request = { ...copyRequest(servers, length), damaged: true };
  const stat = await servers.command(1, ChunkOp.copy, request);
  expect(stat).toEqual({ version: 3, length, sealed: true });
  expect((await readFile(servers.chunkFile(1, 1))).equals(good.bytes)).toBe(true);
  const again = await servers.command(1, ChunkOp.copy, copyRequest(servers, length));
  expect(again).toEqual(stat);
});

test("a replica that a reader found damaged stays while no good one can be fetched, and is reported", async () => {
  await using servers = await withSource({ 1: good.bytes });
  await servers.command(1, ChunkOp.copy, copyRequest(servers, length));
  const bad = Buffer.from(good.bytes);
  bad[good.borders[2]! + 200]! ^= 1;
  await writeFile(servers.chunkFile(0, 1), bad);
  const copying = servers.command(1, ChunkOp.copy, { ...copyRequest(servers, length), damaged: true });
  expect(await copying.catch((error) => error.code)).toBe("CHECKSUM");
  expect((await readFile(servers.chunkFile(1, 1))).equals(good.bytes)).toBe(true);
  const read = servers.command(1, ChunkOp.stat, { handle: 1 });
  expect(await read).toMatchObject({ sealed: true, length });
});

test("no bit of the source may be wrong: a damaged one is refused, and leaves nothing behind", async () => {
  const small = chunkBytes(SECRETS.clusterId, 1, [Buffer.from("x"), Buffer.from("yz")], {
    version: 3,
    sealed: true,
  });
  await using servers = await withSource({ 1: small.bytes });
  const request = copyRequest(servers, small.borders.at(-1)!);
  for (let at = 0; at < small.bytes.length; at++) {
    const damaged = Buffer.from(small.bytes);
    damaged[at]! ^= 1 << (at & 7);
    await writeFile(servers.chunkFile(0, 1), damaged);
    const copying = servers.command(1, ChunkOp.copy, request);
    await expect(copying).rejects.toMatchObject({ code: "CHECKSUM" });
  }
  expect(existsSync(servers.chunkFile(1, 1))).toBe(false);
  expect(existsSync(servers.chunkFile(1, 1).replace(/chunk$/, "copy"))).toBe(false);
  await writeFile(servers.chunkFile(0, 1), small.bytes);
  expect((await servers.command(1, ChunkOp.copy, request)).sealed).toBe(true);
});

describe("a chunk that is damaged in another place on each server", () => {
  /** Three servers have it, each with the bytes at its own positions spoiled. */
  async function spoiled(positions: readonly (readonly number[])[]): Promise<Servers> {
    const servers = await Servers.start(3);
    for (const [index, spots] of positions.entries()) {
      const bytes = Buffer.from(good.bytes);
      for (const at of spots) bytes[at]! ^= 1;
      await writeFile(servers.chunkFile(index, 1), bytes);
      await servers.restart(index);
    }
    return servers;
  }

  const from = (servers: Servers, order: readonly number[]) => {
    const sources = order.map((index) => servers.replicas[index]!);
    return { handle: 1, version: 3, length, sources, damaged: true };
  };

  const head = good.borders[1]! + 8;
  const block = good.borders[3]! + 300_000;
  const last = good.borders.at(-2)! + 60_000;

  test("is put together from all of them, the target's own file among them", async () => {
    await using servers = await spoiled([[head, last], [block], [CHUNK_HEADER_SIZE + 20]]);
    const stat = await servers.command(2, ChunkOp.copy, from(servers, [0, 1, 2]));
    expect(stat).toEqual({ version: 3, length, sealed: true });
    expect((await readFile(servers.chunkFile(2, 1))).equals(good.bytes)).toBe(true);
  });

  test("goes on with another source where one ends", async () => {
    await using servers = await spoiled([[], [head], [block]]);
    await writeFile(servers.chunkFile(0, 1), good.bytes.subarray(0, block));
    await servers.command(2, ChunkOp.copy, from(servers, [0, 1]));
    expect((await readFile(servers.chunkFile(2, 1))).equals(good.bytes)).toBe(true);
  });

  test("stays as it is where all are damaged in one block", async () => {
    await using servers = await spoiled([[block], [head, block + 1], [block + 2]]);
    const copying = servers.command(2, ChunkOp.copy, from(servers, [0, 1, 2]));
    await expect(copying).rejects.toMatchObject({ code: "CHECKSUM" });
    expect(existsSync(servers.chunkFile(2, 1).replace(/chunk$/, "copy"))).toBe(false);
    const own = await readFile(servers.chunkFile(2, 1));
    expect([...own.keys()].filter((at) => own[at] !== good.bytes[at])).toEqual([block + 2]);
  });
});

test("a source of another length or version is refused", async () => {
  await using servers = await withSource({ 1: good.bytes });
  const copy = (request: unknown) => servers.command(1, ChunkOp.copy, request);
  const shorter = copyRequest(servers, good.borders.at(-2)!);
  await expect(copy(shorter)).rejects.toMatchObject({ code: "CHECKSUM" });
  await expect(copy(copyRequest(servers, length + 1))).rejects.toMatchObject({ code: "CHECKSUM" });
  const newer = copyRequest(servers, length, { version: 4 });
  await expect(copy(newer)).rejects.toMatchObject({ code: "STALE_VERSION" });
});

test("a source that is not sealed, not there, or not up is refused with its own reason", async () => {
  await using servers = await withSource({ 1: good.bytes.subarray(0, length) });
  const copy = (handle: number) => servers.command(1, ChunkOp.copy, copyRequest(servers, length, { handle }));
  await expect(copy(1)).rejects.toMatchObject({ code: "OUT_OF_RANGE" });
  await expect(copy(2)).rejects.toMatchObject({ code: "NO_SUCH_CHUNK" });
  await servers.all[0]!.close();
  await expect(copy(1)).rejects.toHaveProperty("code");
});

test("a copy takes the place of an open, shorter replica of an older version", async () => {
  await using servers = await withSource({ 1: good.bytes });
  const replicas = [servers.replicas[1]!, servers.replicas[0]!];
  const writer = await servers.connect(1, "client");
  await append(writer, grant(2, replicas), Buffer.from("stale"));
  const two = chunkBytes(SECRETS.clusterId, 2, PAYLOADS, { version: 3, sealed: true });
  await servers.command(0, ChunkOp.remove, { handle: 2 });
  await writeFile(servers.chunkFile(0, 2), two.bytes);
  await servers.restart(0);
  await servers.command(1, ChunkOp.copy, copyRequest(servers, length, { handle: 2 }));
  const { body } = await writer.call(ChunkOp.read, {
    handle: 2,
    offset: CHUNK_HEADER_SIZE,
    firstBlock: 0,
    blockCount: 1,
  });
  expect(body.equals(two.bytes.subarray(CHUNK_HEADER_SIZE, CHUNK_HEADER_SIZE + body.length))).toBe(true);
  expect((await readFile(servers.chunkFile(1, 2))).equals(two.bytes)).toBe(true);
});

test("a copy below the version that is here is refused", async () => {
  await using servers = await withSource({ 1: good.bytes });
  await servers.command(1, ChunkOp.copy, copyRequest(servers, length));
  const older = servers.command(1, ChunkOp.copy, copyRequest(servers, length, { version: 2 }));
  await expect(older).rejects.toMatchObject({ code: "STALE_VERSION" });
});

test("more copies than run at once all end, and the same chunk twice is fetched once", async () => {
  const files: Record<number, Buffer> = {};
  const payloads = [Buffer.alloc(100_000, 7)];
  for (let handle = 1; handle <= 12; handle++) {
    files[handle] = chunkBytes(SECRETS.clusterId, handle, payloads, { version: 3, sealed: true }).bytes;
  }
  const disk = new FaultyDisk();
  await using servers = await withSource(files, disk);
  const end = CHUNK_HEADER_SIZE + (files[1]!.length - CHUNK_HEADER_SIZE - 44);
  const master = await servers.connect(1, "master");
  const handles = Object.keys(files).map(Number);
  await Promise.all(
    [...handles, ...handles].map((handle) =>
      master.call(ChunkOp.copy, copyRequest(servers, end, { handle }), undefined),
    ),
  );
  for (const handle of handles) {
    expect((await readFile(servers.chunkFile(1, handle))).equals(files[handle]!)).toBe(true);
  }
  expect(disk.counts.sync).toBe(handles.length + 2); // one for the identity, one for the scrub's progress
});

test("a source that is damaged is given up before the rest of it is fetched", async () => {
  const large = chunkBytes(
    SECRETS.clusterId,
    1,
    Array.from({ length: 30 }, () => Buffer.alloc(1 << 20, 3)),
    {
      version: 3,
      sealed: true,
    },
  );
  large.bytes[500_000]! ^= 1;
  const disk = new FaultyDisk();
  await using servers = await withSource({ 1: large.bytes }, disk);
  const before = disk.counts.write;
  const copying = servers.command(1, ChunkOp.copy, copyRequest(servers, large.borders.at(-1)!));
  await expect(copying).rejects.toMatchObject({ code: "CHECKSUM" });
  // What was right in front of the damage.
  expect(disk.counts.write).toBe(before + 1);
  expect(existsSync(servers.chunkFile(1, 1).replace(/chunk$/, "copy"))).toBe(false);
});

test("a source that dies in the middle leaves nothing, and the copy from another goes through", async () => {
  const disk = new FaultyDisk();
  await using servers = await withSource({ 1: good.bytes }, disk);
  servers.all[2] = await servers.startOne(2);
  await servers.all[2].close();
  await writeFile(servers.chunkFile(2, 1), good.bytes);
  servers.all[2] = await servers.startOne(2);
  let writes = 0;
  disk.fault = async (operation, path) => {
    if (operation === "write" && path.endsWith(".copy") && ++writes === 2) await servers.all[0]!.close();
  };
  const many = chunkBytes(
    SECRETS.clusterId,
    4,
    Array.from({ length: 12 }, () => Buffer.alloc(1 << 20, 3)),
    {
      version: 3,
      sealed: true,
    },
  );
  await servers.all[0]!.close();
  await writeFile(servers.chunkFile(0, 4), many.bytes);
  servers.all[0] = await servers.startOne(0);
  const request = copyRequest(servers, many.borders.at(-1)!, { handle: 4 });
  await expect(servers.command(1, ChunkOp.copy, request)).rejects.toHaveProperty("code");
  expect(writes).toBeGreaterThan(1);
  const left = await readdir(join(servers.directoryOf(1), "chunks"));
  expect(left).toEqual([]);
  disk.fault = () => {};
  const other = { ...copyRequest(servers, length), sources: [servers.replicas[2]!] };
  expect((await servers.command(1, ChunkOp.copy, other)).sealed).toBe(true);
});

test("a copy does not outrun its rate", async () => {
  const clock = new ManualClock();
  const disk = new FaultyDisk();
  await using servers = await withSource({ 1: good.bytes });
  await servers.all[1]!.close();
  servers.all[1] = await servers.startOne(1, { clock, disk }, { copyBytesPerSecond: 1 << 20 });
  const master = await servers.connect(1, "master");
  let pieces = 0;
  disk.fault = (operation, path) => {
    if (operation === "write" && path.endsWith(".copy")) pieces++;
  };
  const copying = master.call(ChunkOp.copy, copyRequest(servers, length), undefined, 3_600_000);
  copying.catch(() => {});
  // Far more time than an unbounded copy takes.
  const settle = async (): Promise<void> => {
    for (let i = 0; i < 300; i++) await master.call(ChunkOp.stat, { handle: 9 }).catch(() => {});
  };
  await settle();
  expect(pieces).toBe(1);
  for (const expected of [2, 3, 4]) {
    clock.advance(1_000);
    await settle();
    expect(pieces).toBe(expected);
  }
  // Stopping the server does not wait for the rest.
  await servers.all[1]!.close();
  await expect(copying).rejects.toHaveProperty("code");
  const left = await readdir(join(servers.directoryOf(1), "chunks"));
  expect(left).toEqual([]);
});

test.each(["waits for its turn", "is under way"])(
  "a chunk that is removed while its copy %s is not brought back",
  async (when) => {
    const files: Record<number, Buffer> = {};
    for (let handle = 1; handle <= 5; handle++) {
      files[handle] = chunkBytes(SECRETS.clusterId, handle, PAYLOADS, { version: 3, sealed: true }).bytes;
    }
    const disk = new FaultyDisk();
    await using servers = await withSource(files, disk);
    const proceed = Promise.withResolvers<void>();
    const stalled = Promise.withResolvers<void>();
    let stalls = 0;
    disk.fault = (operation, path) => {
      if (operation !== "write" || !path.endsWith(".copy")) return undefined;
      if (++stalls === 4) stalled.resolve();
      return proceed.promise;
    };
    const master = await servers.connect(1, "master");
    // Four run, the fifth waits.
    const copies = [1, 2, 3, 4, 5].map((handle) =>
      master.call(ChunkOp.copy, copyRequest(servers, length, { handle })),
    );
    for (const copy of copies) copy.catch(() => {});
    await stalled.promise;
    const gone = when === "is under way" ? 1 : 5;
    const removal = master.call(ChunkOp.remove, { handle: gone });
    // Its answer shows that the removal has been read.
    await master.call(ChunkOp.stat, { handle: 9 }).catch(() => {});
    proceed.resolve();
    await removal;
    await expect(copies[gone - 1]!).rejects.toMatchObject({ code: "NO_SUCH_CHUNK" });
    await Promise.allSettled(copies);
    const left = (await readdir(join(servers.directoryOf(1), "chunks"))).sort();
    expect(left).toEqual(
      [1, 2, 3, 4, 5].filter((handle) => handle !== gone).map((handle) => `000000000000000${handle}.chunk`),
    );
    // A new order for it is taken.
    await master.call(ChunkOp.copy, copyRequest(servers, length, { handle: gone }));
    expect(existsSync(servers.chunkFile(1, gone))).toBe(true);
  },
);
