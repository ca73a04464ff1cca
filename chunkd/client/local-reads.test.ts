// Reads of chunk files on the own machine, on real chunkservers: what is in the file decides, and the wire stands behind it.
import { afterEach, describe, expect, test } from "bun:test";
import { open, readFile, rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { type Disk, type DiskFile, systemDisk } from "../../std/disk.ts";
import { chunkFileName } from "../protocol/local-access.ts";
import type { Extent } from "../protocol/record.ts";
import { turn, until } from "./testing/clocks.ts";
import { type RealServer, realCluster } from "./testing/real-cluster.ts";
import { inPieces, patterned, type TestCluster } from "./testing/test-cluster.ts";

const MIB = 1 << 20;

let cluster: TestCluster<RealServer>;
afterEach(() => cluster.close());

async function begin(disk: Disk = systemDisk): Promise<void> {
  cluster = await realCluster({ host: "this machine", disk });
}

function write(bytes: Buffer): Promise<Extent[]> {
  return cluster.writer.write(inPieces(bytes), bytes.length);
}

/** Reads until a read as a whole was done in place: the first ones go over the wire, and open the files meanwhile. */
async function warm(extents: Extent[], bytes: Buffer): Promise<void> {
  const { stats } = cluster.reader;
  for (let isInPlace = false; !isInPlace; ) {
    const { records, inPlace } = stats;
    expect((await cluster.read(extents)).equals(bytes)).toBe(true);
    isInPlace = stats.inPlace - inPlace === stats.records - records;
    await turn();
  }
}

function fileOf(server: RealServer, { handle }: Extent): string {
  return join(server.directory, "chunks", chunkFileName(handle));
}

async function flip(path: string, at: number): Promise<void> {
  const file = await open(path, "r+");
  const byte = Buffer.alloc(1);
  await file.read(byte, 0, 1, at);
  byte[0]! ^= 1;
  await file.write(byte, 0, 1, at);
  await file.close();
}

/** The disk where no read is done at once, as for a cold one: each goes through `read`. */
function waiting(read: (file: DiskFile, into: Uint8Array, position: number) => Promise<number>): Disk {
  return {
    ...systemDisk,
    async open(path, mode) {
      const file = await systemDisk.open(path, mode);
      return {
        read: (into, position) => read(file, into, position),
        write: (parts, position) => file.write(parts, position),
        sync: () => file.sync(),
        truncate: (size) => file.truncate(size),
        size: () => file.size(),
        close: () => file.close(),
      };
    },
  };
}

describe("a read on the chunkserver's own machine", () => {
  test("is done in place: small ones, large ones, ranges and open chunks, also with the disk's patience", async () => {
    const patient = waiting((file, into, position) => file.read(into, position));
    for (const disk of [systemDisk, patient]) {
      if (disk === patient) await cluster.close();
      await begin(disk);
      for (const size of [10, 70_000, 3 * MIB + 5]) {
        const bytes = patterned(size, size);
        const extents = await write(bytes);
        await warm(extents, bytes);
        const { records, inPlace } = cluster.reader.stats;
        const middle = [Math.floor(size / 3), Math.ceil(size / 2)] as const;
        expect((await cluster.read(extents, ...middle)).equals(bytes.subarray(...middle))).toBe(true);
        expect(cluster.reader.stats.inPlace - inPlace).toBe(cluster.reader.stats.records - records);
      }
    }
  });

  test("of a damaged file goes to the chunkserver, which knows of damage, and is answered by a sound replica", async () => {
    await begin();
    const bytes = patterned(200_000);
    const [extent] = await write(bytes);
    await warm([extent!], bytes);
    const replicas = cluster.master.locations[extent!.handle]!.map(({ id }) => cluster.server(id));
    for (const server of replicas.slice(0, 2)) await flip(fileOf(server, extent!), extent!.offset + 1000);
    for (let round = 0; round < 3; round++) {
      expect((await cluster.read([extent!])).equals(bytes)).toBe(true);
    }
    expect(cluster.master.damage.length).toBeGreaterThan(0);
    expect(replicas.slice(0, 2).map(({ id }) => id)).toContain(cluster.master.damage[0]!.replica);
  });

  test("does not wait for a disk that hangs", async () => {
    let hangs = false;
    const recovered = Promise.withResolvers<number>();
    const disk = waiting((file, into, position) => (hangs ? recovered.promise : file.read(into, position)));
    await begin(disk);
    const bytes = patterned(5000);
    const extents = await write(bytes);
    await warm(extents, bytes);
    hangs = true;
    const { inPlace } = cluster.reader.stats;
    expect((await cluster.read(extents)).equals(bytes)).toBe(true);
    expect(cluster.reader.stats.inPlace).toBe(inPlace);
    recovered.resolve(0);
  });

  test("does not believe a file by its name: another chunk's, another cluster's, an empty one", async () => {
    await begin();
    const bytes = patterned(1000);
    const [extent] = await write(bytes);
    const other = patterned(9 * MIB, 2);
    const [otherExtent] = await write(other);
    expect(otherExtent!.handle).not.toBe(extent!.handle);
    for (const server of cluster.servers) {
      const path = fileOf(server, extent!);
      await rename(path, `${path}.aside`);
      const imposter = await readFile(fileOf(server, otherExtent!));
      if (server.id === "cs2") imposter[20]! ^= 1;
      await writeFile(path, server.id === "cs3" ? "" : imposter);
    }
    // The chunkservers still have the right file open for what is to come; this reader opens by name.
    const { inPlace } = cluster.reader.stats;
    for (let round = 0; round < 5; round++) {
      await cluster.read([extent!]).catch(() => {});
      await turn();
    }
    expect(cluster.reader.stats.inPlace).toBe(inPlace);
  });

  test("closes its files with the reader", async () => {
    const opened = new Map<string, number>();
    const count = (path: string, by: number) => opened.set(path, (opened.get(path) ?? 0) + by);
    const counting: Disk = {
      ...systemDisk,
      async open(path, mode) {
        const file = await systemDisk.open(path, mode);
        count(path, 1);
        const close = file.close.bind(file);
        file.close = () => {
          count(path, -1);
          return close();
        };
        return file;
      },
    };
    await begin(counting);
    const bytes = patterned(1000);
    const extents = await write(bytes);
    await warm(extents, bytes);
    const isOpen = () => [...opened.values()].reduce((sum, value) => sum + value, 0);
    expect(isOpen()).toBeGreaterThan(0);
    await cluster.reader.close();
    await until(() => isOpen() === 0);
  });
});
