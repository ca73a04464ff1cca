// What the reader does when a replica is bad, slow or gone, on chunkservers whose faults are scripted.
import { afterEach, describe, expect, test } from "bun:test";
import type { ReadRequest } from "../protocol/messages.ts";
import type { Extent } from "../protocol/record.ts";
import { READ_WITHIN_MS } from "./record-fetcher.ts";
import { fastClock, ManualClock, turn, until } from "./testing/clocks.ts";
import type { ScriptedServer } from "./testing/scripted-server.ts";
import { inPieces, lengthOf, patterned, scriptedCluster, type TestCluster } from "./testing/test-cluster.ts";

const MIB = 1 << 20;

let cluster: TestCluster<ScriptedServer>;
afterEach(() => cluster.close());

async function store(bytes: Buffer, ...options: Parameters<typeof scriptedCluster>): Promise<Extent[]> {
  cluster = await scriptedCluster(...options);
  return await cluster.writer.write(inPieces(bytes), bytes.length);
}

function replicasOf(extent: Extent): ScriptedServer[] {
  return cluster.master.locations[extent.handle]!.map(({ id }) => cluster.server(id));
}

function readsInAll(): number {
  return cluster.servers.reduce((sum, { reads }) => sum + reads, 0);
}

async function codeOfRead(extents: Extent[]): Promise<unknown> {
  return await cluster.read(extents).then(
    () => "read",
    (error) => error.code,
  );
}

describe("a read", () => {
  test("asks for the blocks that cover the range, and no others", async () => {
    const bytes = patterned(3 * MIB);
    const extents = await store(bytes);
    const asked: ReadRequest[] = [];
    for (const server of cluster.servers)
      server.script = { beforeRead: (request) => void asked.push(request) };
    const read = await cluster.read(extents, MIB - 10, MIB + 65_536 + 10);
    expect(read.equals(bytes.subarray(MIB - 10, MIB + 65_536 + 10))).toBe(true);
    expect(asked.map(({ firstBlock, blockCount }) => [firstBlock, blockCount])).toEqual([
      [15, 1],
      [0, 2],
    ]);
  });

  test("of no bytes asks nobody, and of a range outside throws", async () => {
    const extents = await store(patterned(1000));
    expect(await cluster.read(extents, 500, 500)).toHaveLength(0);
    expect(readsInAll()).toBe(0);
    for (const [start, end] of [
      [-1, 5],
      [6, 5],
      [0, 1001],
      [Number.NaN, 5],
    ] as const) {
      expect(() => cluster.reader.read(extents, {}, start, end)).toThrow(RangeError);
    }
  });

  test("gives pieces of at most 1 MiB and runs no more than 2 MiB ahead of a slow taker", async () => {
    const bytes = patterned(20 * MIB);
    const extents = await store(bytes);
    const pieces: number[] = [];
    let taken = 0;
    for await (const piece of cluster.reader.read(extents, cluster.master.locations, 0, bytes.length)) {
      pieces.push(piece.length);
      taken += piece.length;
      for (let turns = 0; turns < 20; turns++) await turn();
      expect(readsInAll()).toBeLessThanOrEqual(Math.ceil(taken / MIB) + 2);
    }
    expect(taken).toBe(20 * MIB);
    expect(Math.max(...pieces)).toBeLessThanOrEqual(MIB);
  });

  test("of small records asks for four at once", async () => {
    const extents = await store(patterned(1000));
    for (let i = 1; i < 10; i++)
      extents.push(...(await cluster.writer.write(inPieces(patterned(1000)), 1000)));
    let taken = 0;
    for await (const _ of cluster.reader.read(extents, cluster.master.locations, 0, 10_000)) {
      taken++;
      for (let turns = 0; turns < 20; turns++) await turn();
      expect(readsInAll()).toBe(Math.min(10, taken + 3));
    }
    expect(taken).toBe(10);
  });

  test("that is given up early asks for nothing more, also while it waits", async () => {
    const bytes = patterned(20 * MIB);
    const extents = await store(bytes, { clock: new ManualClock() });
    const { offset } = extents[0]!;
    const script = {
      beforeRead: (request: ReadRequest) =>
        request.offset === offset ? undefined : new Promise<void>(() => {}),
    };
    for (const server of cluster.servers) server.script = script;
    const iterator = cluster.reader
      .read(extents, cluster.master.locations, 0, bytes.length)
      [Symbol.asyncIterator]();
    for (let taken = 0; taken < MIB; ) taken += (await iterator.next()).value!.length;
    const waiting = iterator.next();
    await until(() => readsInAll() === 3);
    expect(await iterator.return!()).toEqual({ done: true, value: undefined });
    expect((await waiting).done).toBe(true);
    expect((await iterator.next()).done).toBe(true);
    for (let turns = 0; turns < 20; turns++) await turn();
    expect(readsInAll()).toBe(3);
  });

  test("holds no more than its piece of a block when slow takers hold the memory, and gives all of it back", async () => {
    const bytes = patterned(6 * MIB);
    const extents = await store(bytes, { readAheadBytesMax: 10 * MIB });
    const open = () =>
      cluster.reader.read(extents, cluster.master.locations, 0, bytes.length)[Symbol.asyncIterator]();
    const slow = Array.from({ length: 10 }, open);
    const first = await Promise.all(slow.map((stream) => stream.next()));
    const sizes = first.map(({ value }) => value!.length);
    expect(cluster.reader.readAheadBytes).toBeLessThanOrEqual(10 * MIB);
    expect(Math.max(...sizes)).toBeGreaterThan(65_536);
    expect(Math.min(...sizes)).toBeLessThanOrEqual(65_536);

    expect((await cluster.read(extents)).equals(bytes)).toBe(true);
    await Promise.all(slow.slice(0, 5).map((stream) => stream.return!()));
    for (const stream of slow.slice(5)) while (!(await stream.next()).done);
    await until(() => cluster.reader.readAheadBytes === 0);
  });

  test("beside others spreads over the replicas", async () => {
    const bytes = patterned(20 * MIB);
    const extents = await store(bytes);
    await Promise.all([cluster.read(extents), cluster.read(extents)]);
    for (const { reads } of cluster.servers) expect(reads).toBeGreaterThan(2);
  });
});

describe("a damaged replica", () => {
  test("is read around, and reported once", async () => {
    const bytes = patterned(9 * MIB);
    const extents = await store(bytes);
    const bad = replicasOf(extents[0]!)[0]!;
    bad.damage(extents[0]!.handle);
    for (let i = 0; i < 3; i++) expect((await cluster.read(extents)).equals(bytes)).toBe(true);
    expect(cluster.master.damage).toEqual([{ handle: extents[0]!.handle, replica: bad.id }]);
  });

  test("of every server fails the read as CORRUPT, and no byte is given out", async () => {
    const extents = await store(patterned(1000));
    for (const server of cluster.servers) server.damage(extents[0]!.handle);
    const pieces: Uint8Array[] = [];
    const read = async () => {
      for await (const piece of cluster.reader.read(extents, cluster.master.locations, 0, 1000))
        pieces.push(piece);
    };
    const error = await read().catch((error) => error);
    expect({ name: error.name, code: error.code }).toEqual({ name: "StorageError", code: "CORRUPT" });
    expect(pieces).toEqual([]);
    expect(cluster.master.damage.map(({ replica }) => replica).sort()).toEqual(["cs1", "cs2", "cs3"]);
  });
});

describe("an extent whose records are not those that were committed", () => {
  test("of one record fails before any byte", async () => {
    const [extent] = await store(patterned(1000));
    expect(await codeOfRead([{ ...extent!, checksum: extent!.checksum ^ 1 }])).toBe("CORRUPT");
  });

  test("of several records fails before its last bytes", async () => {
    const [extent] = await store(patterned(3 * MIB + 5));
    const forged = [{ ...extent!, checksum: extent!.checksum ^ 1 }];
    let given = 0;
    const read = async () => {
      const stream = cluster.reader.read(forged, cluster.master.locations, 0, lengthOf(forged));
      for await (const piece of stream) given += piece.length;
    };
    expect((await read().catch((error) => error)).code).toBe("CORRUPT");
    expect(given).toBe(3 * MIB);
  });
});

describe("a replica that is gone", () => {
  test("is read around", async () => {
    const bytes = patterned(9 * MIB);
    const extents = await store(bytes);
    for (const victim of replicasOf(extents[0]!).slice(0, 2)) await victim.kill();
    expect((await cluster.read(extents)).equals(bytes)).toBe(true);
  });

  test("and the last one known makes the reader ask the master for others", async () => {
    const bytes = patterned(9 * MIB);
    const extents = await store(bytes);
    const { handle } = extents[0]!;
    const [first, ...others] = cluster.master.locations[handle]!;
    await cluster.server(first!.id).kill();
    cluster.master.locations[handle] = others;
    const pieces: Uint8Array[] = [];
    for await (const piece of cluster.reader.read(extents, { [handle]: [first!] }, 0, bytes.length))
      pieces.push(piece);
    expect(Buffer.concat(pieces).equals(bytes)).toBe(true);
    expect(cluster.master.locateCalls).toBeGreaterThan(0);
    expect(cluster.master.locateCalls).toBeLessThanOrEqual(4);
  });

  test("with all others fails the read as UNAVAILABLE within the bound", async () => {
    const clock = fastClock(100);
    const extents = await store(patterned(2 * MIB), { clock });
    await Promise.all(cluster.servers.map((server) => server.kill()));
    const startedAt = clock.monotonic();
    expect(await codeOfRead(extents)).toBe("UNAVAILABLE");
    expect(clock.monotonic() - startedAt).toBeLessThan(4 * READ_WITHIN_MS);
  });

  test("comes back in time for a read that waited", async () => {
    const bytes = patterned(1000);
    const extents = await store(bytes, { clock: fastClock(20) });
    const { handle } = extents[0]!;
    const known = cluster.master.locations[handle]!;
    cluster.master.locations[handle] = [];
    const reading = cluster.reader.read(extents, {}, 0, 1000)[Symbol.asyncIterator]().next();
    await until(() => cluster.master.locateCalls >= 2);
    cluster.master.locations[handle] = known;
    expect(Buffer.from((await reading).value!).equals(bytes)).toBe(true);
  });

  test("does not keep a closed reader waiting", async () => {
    const extents = await store(patterned(1000));
    for (const server of cluster.servers) server.script = { beforeRead: () => new Promise(() => {}) };
    const reading = codeOfRead(extents);
    await until(() => readsInAll() > 0);
    await cluster.reader.close();
    expect(await reading).toBe("UNAVAILABLE");
  });
});

describe("a slow replica", () => {
  test("is outrun by another one, long before it would time out", async () => {
    const bytes = patterned(1000);
    const clock = new ManualClock();
    const extents = await store(bytes, { clock });
    const [slow, ...fast] = replicasOf(extents[0]!);
    slow!.script = { beforeRead: () => new Promise(() => {}) };
    const reading = cluster.read(extents);
    await until(() => slow!.reads === 1);
    await clock.advance(149);
    expect(readsInAll()).toBe(1);
    await clock.advance(1);
    expect((await reading).equals(bytes)).toBe(true);
    expect(fast.map(({ reads }) => reads).sort()).toEqual([0, 1]);
  });
});
