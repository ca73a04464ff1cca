// Random work while parts of the cluster come and go, from a seed; then every promise that was made is looked at.
import { afterEach, describe, expect, test } from "bun:test";
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { ChunkReader } from "../chunkd/client/reader.ts";
import { ChunkWriter } from "../chunkd/client/writer.ts";
import { type Chunkserver, startChunkserver } from "../chunkd/server/chunkserver.ts";
import { BreakableNet } from "../chunkd/testing/breakable-net.ts";
import { PowerDisk } from "../chunkd/testing/power-disk.ts";
import { connectMaster, type MasterConnection } from "./client/client.ts";
import type { Master } from "./server/start.ts";
import { PROCESS_SECRETS } from "./testing/master-process.ts";
import {
  atEnd,
  cleanUp,
  codeOf,
  NO_ATTRIBUTES,
  startTestMaster,
  testDirectory,
  testEnvironment,
  until,
} from "./testing/test-master.ts";

afterEach(cleanUp);

const SERVERS = 3;
const CLIENTS = 4;
const KEYS_PER_CLIENT = 6;
const OPERATIONS_PER_CLIENT = 40;
const FAULTS = 8;
/** Operations that are done while a part is away. */
const OPERATIONS_PER_FAULT = 8;
/** A lease that its holder could not hand back is over soon, and the files of chunks that stayed empty go at once. */
const MASTER_OPTIONS = { secrets: PROCESS_SECRETS, leaseMs: 2_000, deleteGraceMs: 0 };

type Draw = (below: number) => number;

/** mulberry32: whole numbers from 0 up to `below`. */
function seeded(seed: number): Draw {
  let state = seed;
  return (below) => {
    state = (state + 0x6d2b79f5) | 0;
    let bits = Math.imul(state ^ (state >>> 15), 1 | state);
    bits = (bits + Math.imul(bits ^ (bits >>> 7), 61 | bits)) ^ bits;
    return Math.floor((((bits ^ (bits >>> 14)) >>> 0) / 2 ** 32) * below);
  };
}

/** The bytes of an object, by its number: two objects differ in every 4 KiB. */
function contentOf(tag: number, size: number): Buffer {
  const bytes = Buffer.alloc(size);
  for (let at = 0, block = 0; at < size; at += 4096, block++) {
    bytes.fill(`${tag}/${block};`, at, Math.min(size, at + 4096));
  }
  return bytes;
}

async function* pieces(bytes: Buffer): AsyncIterable<Uint8Array> {
  for (let at = 0; at < bytes.length; at += 100_000) yield bytes.subarray(at, at + 100_000);
}

const md5 = (bytes: Buffer): string => new Bun.CryptoHasher("md5").update(bytes).digest("hex");

/** A chunkserver on a machine that can lose its power. */
interface Machine {
  server: Chunkserver;
  net: BreakableNet;
  disk: PowerDisk;
}

class Cluster {
  private readonly machines: (Machine | undefined)[] = [];
  readonly directories: string[] = [];
  private master!: Master & { directory: string };
  client!: MasterConnection;
  private writer!: ChunkWriter;
  private reader!: ChunkReader;

  static async start(): Promise<Cluster> {
    const cluster = new Cluster();
    cluster.master = await startTestMaster(MASTER_OPTIONS);
    atEnd(() => Promise.all(cluster.machines.map((machine) => machine?.server.close())));
    for (let index = 0; index < SERVERS; index++) {
      cluster.directories.push(await testDirectory());
      await cluster.open(index);
    }
    const options = { address: cluster.master.address, secrets: PROCESS_SECRETS, id: "stress" };
    cluster.client = connectMaster(testEnvironment, options);
    atEnd(() => cluster.client.close());
    cluster.writer = new ChunkWriter(testEnvironment, PROCESS_SECRETS, cluster.client, { id: "writer" });
    cluster.reader = new ChunkReader(testEnvironment, PROCESS_SECRETS, cluster.client, { id: "reader" });
    atEnd(() => cluster.reader.close());
    atEnd(() => cluster.writer.close());
    await cluster.client.createBucket({ name: "bucket", owner: "u" });
    return cluster;
  }

  async open(index: number): Promise<void> {
    const net = new BreakableNet();
    const disk = new PowerDisk();
    const server = await startChunkserver(
      { ...testEnvironment, net, disk },
      {
        directory: this.directories[index]!,
        listen: "127.0.0.1:0",
        master: this.master.address,
        secrets: PROCESS_SECRETS,
      },
    );
    this.machines[index] = { server, net, disk };
    await server.registered;
  }

  async stop(index: number): Promise<void> {
    await this.machines[index]!.server.close();
    this.machines[index] = undefined;
  }

  /** As one stroke: what was on its way to these disks is lost, and nobody hears of them any more. */
  async powerOff(...indexes: number[]): Promise<void> {
    const machines = indexes.map((index) => this.machines[index]!);
    for (const { net, disk } of machines) {
      disk.powerOff();
      net.powerOff();
    }
    for (const { server, disk } of machines) {
      await server.close();
      await disk.lose();
    }
    for (const index of indexes) this.machines[index] = undefined;
  }

  /** Every connection from and to chunkservers breaks. */
  breakConnections(): void {
    for (const machine of this.machines) machine?.net.breakAll();
  }

  async restartMaster(): Promise<void> {
    const { address, directory } = this.master;
    await this.master.close();
    this.master = await startTestMaster({ ...MASTER_OPTIONS, directory, listen: address });
  }

  async put(key: string, bytes: Buffer): Promise<void> {
    const extents = await this.writer.write(pieces(bytes), bytes.length);
    const data = { size: bytes.length, etag: md5(bytes), extents };
    await this.client.commitObject({ bucket: "bucket", key, data, attributes: NO_ATTRIBUTES });
  }

  async get(key: string): Promise<{ etag: string; bytes: Buffer }> {
    const { object, locations } = await this.client.getObject({ bucket: "bucket", key });
    const parts: Uint8Array[] = [];
    for await (const part of this.reader.read(object.extents, locations, 0, object.size)) parts.push(part);
    return { etag: object.etag, bytes: Buffer.concat(parts) };
  }

  /** No more writes: every chunk is sealed, and there three times. */
  async settle(): Promise<void> {
    await this.writer.close();
    await until(async () => {
      const { chunks } = await this.client.status(null);
      return chunks.open === 0 && chunks.deleting === 0 && chunks.underReplicated === 0;
    }, "all chunks are sealed and whole, or gone");
  }
}

/** What may be under a key: the etag of an object, or undefined for none. More than one after an unknown outcome. */
type Possible = Set<string | undefined>;

/** One client with keys of its own: what it was told of them last is what they must hold. */
class Client {
  readonly possible = new Map<string, Possible>();
  /** Operations that were answered with success. */
  acknowledged = 0;
  private tags = 0;

  constructor(
    private readonly cluster: Cluster,
    private readonly id: number,
    private readonly draw: Draw,
    private readonly onOperation: () => void,
  ) {}

  async run(): Promise<void> {
    for (let i = 0; i < OPERATIONS_PER_CLIENT; i++) {
      await this.operation(`client-${this.id}/key-${this.draw(KEYS_PER_CLIENT)}`);
      this.onOperation();
    }
  }

  private async operation(key: string): Promise<void> {
    const kind = this.draw(10);
    if (kind < 6) await this.put(key);
    else if (kind < 8) await this.check(key);
    else await this.delete(key);
  }

  private async put(key: string): Promise<void> {
    const large = this.draw(12) === 0;
    const size = 1 + this.draw(large ? 10 << 20 : 300_000);
    const bytes = contentOf(this.id * 10_000 + this.tags++, size);
    await this.change(key, md5(bytes), () => this.cluster.put(key, bytes));
  }

  private delete(key: string): Promise<void> {
    return this.change(key, undefined, async () => {
      await this.cluster.client.deleteObject({ bucket: "bucket", key });
    });
  }

  private async change(key: string, etag: string | undefined, run: () => Promise<void>): Promise<void> {
    const before = this.possible.get(key) ?? new Set([undefined]);
    this.possible.set(key, new Set([...before, etag]));
    const code = await codeOf(run());
    if (code !== "resolved") return;
    this.acknowledged++;
    this.possible.set(key, new Set([etag]));
  }

  /** Reads the key: it must hold one of what is possible, byte for byte. */
  async check(key: string): Promise<void> {
    const possible = this.possible.get(key) ?? new Set([undefined]);
    const found = await this.cluster.get(key).catch((error: { code?: string }) => error);
    if ("bytes" in found) {
      expect(md5(found.bytes)).toBe(found.etag);
      expect([...possible]).toContain(found.etag);
    } else {
      expect({ key, code: found.code ?? found }).toEqual({ key, code: "NO_SUCH_KEY" });
      expect([...possible]).toContain(undefined);
    }
  }
}

const EVERY_SERVER = Array.from({ length: SERVERS }, (_, index) => index);

/** Takes parts away and brings them back: one chunkserver, or for a moment all of them, or the master. */
async function disturb(cluster: Cluster, draw: Draw, operations: (count: number) => Promise<void>) {
  const during = () => operations(1 + draw(OPERATIONS_PER_FAULT));
  for (let i = 0; i < FAULTS; i++) {
    await during();
    const fault = draw(5);
    const victim = draw(SERVERS);
    if (fault === 0) await cluster.restartMaster();
    else if (fault === 1) cluster.breakConnections();
    else if (fault === 2) {
      await cluster.powerOff(...EVERY_SERVER);
      await Promise.all(EVERY_SERVER.map((index) => cluster.open(index)));
    } else {
      await (fault === 3 ? cluster.powerOff(victim) : cluster.stop(victim));
      await during();
      await cluster.open(victim);
    }
  }
}

/** Resolves when so many more operations are done, or all of them. */
class OperationCount {
  private done = 0;
  private readonly waiting: { at: number; resolve(): void }[] = [];

  add(): void {
    this.done++;
    for (const { at, resolve } of this.waiting) if (this.done >= at) resolve();
  }

  more(count: number): Promise<void> {
    const at = Math.min(this.done + count, CLIENTS * OPERATIONS_PER_CLIENT);
    if (this.done >= at) return Promise.resolve();
    return new Promise((resolve) => this.waiting.push({ at, resolve }));
  }
}

async function chunkFiles(directory: string): Promise<Record<string, string>> {
  const names = (await readdir(join(directory, "chunks"))).sort();
  const digests: Record<string, string> = {};
  for (const name of names) digests[name] = md5(await readFile(join(directory, "chunks", name)));
  return digests;
}

describe("random work while chunkservers and the master come and go", () => {
  test.each([1, 2, 3, 4])(
    "keeps what was acknowledged, and three equal replicas of it (seed %d)",
    async (seed) => {
      const cluster = await Cluster.start();
      const count = new OperationCount();
      const clients = Array.from(
        { length: CLIENTS },
        (_, id) => new Client(cluster, id, seeded(seed * 100 + id), () => count.add()),
      );
      await Promise.all([
        ...clients.map((client) => client.run()),
        disturb(cluster, seeded(seed), (more) => count.more(more)),
      ]);
      await cluster.settle();

      for (const client of clients) for (const key of client.possible.keys()) await client.check(key);
      const [first, ...others] = await Promise.all(cluster.directories.map(chunkFiles));
      expect(Object.keys(first!).length).toBeGreaterThan(0);
      for (const other of others) expect(other).toEqual(first!);
      expect(clients.every(({ acknowledged }) => acknowledged > OPERATIONS_PER_CLIENT / 4)).toBe(true);
    },
    60_000,
  );
});
