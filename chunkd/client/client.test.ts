// What writer and reader do together. The same on chunkservers in memory, whose faults other tests script, as on real
// ones, so that the scripted ones are known to behave.
import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { systemDisk } from "../../std/disk.ts";
import type { Extent } from "../protocol/record.ts";
import { realCluster } from "./testing/real-cluster.ts";
import {
  inPieces,
  lengthOf,
  patterned,
  scriptedCluster,
  sha256,
  type TestCluster,
} from "./testing/test-cluster.ts";

const MIB = 1 << 20;
const SIZES = [0, 1, 65_535, 65_536, 65_537, MIB - 1, MIB, MIB + 1, 5 * MIB, 9 * MIB + 3];

const clusters: { name: string; start: () => Promise<TestCluster> }[] = [
  { name: "scripted chunkservers", start: scriptedCluster },
  { name: "real chunkservers", start: () => realCluster() },
  {
    name: "real chunkservers on this machine",
    start: () => realCluster({ host: "this machine", disk: systemDisk }),
  },
];

/** `bytes` as a source that runs `then` after its first half. */
async function* interrupted(bytes: Buffer, then: () => Promise<void>): AsyncGenerator<Uint8Array> {
  const half = bytes.length / 2;
  yield* inPieces(bytes.subarray(0, half));
  await then();
  yield* inPieces(bytes.subarray(half));
}

for (const { name, start } of clusters) {
  describe(`on ${name}`, () => {
    let cluster: TestCluster;
    beforeEach(async () => {
      cluster = await start();
    });
    afterEach(() => cluster.close());

    async function expectStored(extents: Extent[], bytes: Buffer): Promise<void> {
      expect(lengthOf(extents)).toBe(bytes.length);
      expect(sha256(await cluster.read(extents))).toBe(sha256(bytes));
    }

    test("gives back what was stored, whatever the size, known or not", async () => {
      for (const size of SIZES) {
        const bytes = patterned(size, size + 1);
        await expectStored(await cluster.writer.write(inPieces(bytes), size), bytes);
        await expectStored(await cluster.writer.write(inPieces(bytes)), bytes);
      }
      expect(cluster.writer.inFlightBytes).toBe(0);
    });

    test("stores an object of several chunks in one extent a chunk", async () => {
      const bytes = patterned(130 * MIB);
      const extents = await cluster.writer.write(inPieces(bytes, 512 << 10), bytes.length);
      expect(extents.map(({ length }) => length)).toEqual([63 * MIB, 63 * MIB, 4 * MIB]);
      await expectStored(extents, bytes);
      expect(cluster.master.closed).toEqual([extents[0]!.handle, extents[1]!.handle]);
    });

    test("packs many small objects written at once into two chunks", async () => {
      const objects = Array.from({ length: 300 }, (_, i) => patterned(100 + 37 * i, i + 1));
      const write = (bytes: Buffer) => cluster.writer.write(inPieces(bytes), bytes.length);
      await Promise.all(objects.map(write));
      const stored = await Promise.all(objects.map(write));
      expect(stored.every((extents) => extents.length === 1)).toBe(true);
      expect(new Set(stored.map(([extent]) => extent!.handle)).size).toBe(2);
      await Promise.all(stored.map((extents, i) => expectStored(extents, objects[i]!)));
    });

    test("reads any range, at and around the borders of blocks and records", async () => {
      const bytes = patterned(2 * MIB + 70_000);
      const extents = await cluster.writer.write(inPieces(bytes), bytes.length);
      const borders = [0, 1, 65_535, 65_536, 65_537, MIB - 1, MIB, MIB + 1, 2 * MIB, bytes.length];
      for (const from of borders) {
        for (const to of borders.filter((border) => border >= from)) {
          const read = await cluster.read(extents, from, to);
          expect(read.equals(bytes.subarray(from, to))).toBe(true);
        }
      }
    });

    for (const role of ["primary", "secondary"]) {
      for (const size of [6 * MIB, 20 * MIB]) {
        test(`loses nothing when a ${role} dies in the middle of ${size / MIB} MiB`, async () => {
          const bytes = patterned(size);
          const before = await cluster.writer.write(inPieces(patterned(size, 2)), size);
          const replicas = cluster.master.locations[before[0]!.handle]!;
          const victim = replicas[role === "primary" ? 0 : 1]!;
          const source = interrupted(bytes, () => cluster.server(victim.id).kill());
          await expectStored(await cluster.writer.write(source, size), bytes);
          await expectStored(before, patterned(size, 2));
          expect(cluster.writer.inFlightBytes).toBe(0);
        });
      }
    }

    test("writes many objects at once while a chunkserver dies", async () => {
      const objects = Array.from({ length: 40 }, (_, i) =>
        patterned(i % 4 === 0 ? 9 * MIB : 5_000 * i, i + 1),
      );
      const writes = objects.map((bytes) => cluster.writer.write(inPieces(bytes), bytes.length));
      await writes[1];
      await cluster.server("cs2").kill();
      const stored = await Promise.all(writes);
      for (const [i, extents] of stored.entries()) await expectStored(extents, objects[i]!);
      expect(cluster.writer.inFlightBytes).toBe(0);
    });
  });
}
