import { describe, expect, test } from "bun:test";
import { readFile, rm, truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { LogFields } from "../../std/log.ts";
import { silentLog } from "../../std/log.ts";
import { ChunkOp, type ChunkStat, type ScrubControlResponse } from "../protocol/messages.ts";
import { CHUNK_HEADER_SIZE, SEAL_SIZE } from "../protocol/record.ts";
import { chunkBytes } from "../testing/chunk-bytes.ts";
import { append, grant, SECRETS, Servers } from "../testing/cluster.ts";
import { diskError, FaultyDisk } from "../testing/faulty-disk.ts";
import { ListeningMaster } from "../testing/listening-master.ts";
import { ManualClock } from "../testing/manual-clock.ts";
import type { ChunkserverEnvironment, ChunkserverOptions } from "./chunkserver.ts";

const DAY_MS = 24 * 3_600_000;
const SCRUB = { bytesPerSecond: 1 << 20, periodMs: 14 * DAY_MS };
const PAYLOADS = [Buffer.alloc(300_000, 1), Buffer.from("small"), Buffer.alloc(70_000, 2)];

function sealed(handle: number) {
  return chunkBytes(SECRETS.clusterId, handle, PAYLOADS, { version: 3, sealed: true });
}

const SIZE = sealed(1).bytes.length;

/** One server with sealed chunks 1 to `count`; its scrub goes on only as its clock does. */
class Scrubbed implements AsyncDisposable {
  readonly clock = new ManualClock();
  readonly disk = new FaultyDisk();
  /** What the server's Random answers. */
  random = 0.5;
  readonly lines: [string, LogFields | undefined][] = [];

  private constructor(
    readonly servers: Servers,
    private readonly options: Partial<ChunkserverOptions>,
  ) {}

  static async start(
    count: number,
    options: Partial<ChunkserverOptions> = { scrub: SCRUB },
  ): Promise<Scrubbed> {
    const servers = await Servers.start(1);
    await servers.all[0]!.close();
    await rm(join(servers.directoryOf(0), "scrub.json"));
    for (let handle = 1; handle <= count; handle++) {
      await writeFile(servers.chunkFile(0, handle), sealed(handle).bytes);
    }
    const scrubbed = new Scrubbed(servers, options);
    await scrubbed.begin();
    return scrubbed;
  }

  async begin(options: Partial<ChunkserverOptions> = {}): Promise<void> {
    const note = (message: string, fields?: LogFields) => void this.lines.push([message, fields]);
    const parts: Partial<ChunkserverEnvironment> = {
      clock: this.clock,
      disk: this.disk,
      random: { bytes: (size) => Buffer.alloc(size, 7), float: () => this.random },
      log: { ...silentLog, warn: note, error: note, info: note },
    };
    this.servers.all[0] = await this.servers.startOne(0, parts, { ...this.options, ...options });
  }

  async restart(options: Partial<ChunkserverOptions> = {}): Promise<void> {
    await this.servers.all[0]!.close();
    await this.begin(options);
  }

  async control(action: string): Promise<ScrubControlResponse> {
    return (await this.servers.command(0, ChunkOp.scrub, { action })) as unknown as ScrubControlResponse;
  }

  /** Lets time pass in small steps until the scrub's state is as wanted; how much it took, ms. */
  async until(condition: (state: ScrubControlResponse) => boolean): Promise<number> {
    const since = this.clock.monotonic();
    const master = await this.servers.connect(0, "master");
    for (;;) {
      const { meta } = await master.call(ChunkOp.scrub, { action: "status" });
      if (condition(meta as ScrubControlResponse)) return this.clock.monotonic() - since;
      this.clock.advance(5);
    }
  }

  round(): Promise<number> {
    return this.until(({ finishedAt, startedAt }) => finishedAt >= startedAt && startedAt > 0);
  }

  async saved(): Promise<Record<string, unknown>> {
    return JSON.parse(await readFile(join(this.servers.directoryOf(0), "scrub.json"), "utf8"));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.servers[Symbol.asyncDispose]();
  }
}

const isRunning = ({ startedAt, finishedAt }: { startedAt: number; finishedAt: number }) =>
  startedAt > finishedAt;

describe("a round", () => {
  test("begins at the time that was drawn, also over a restart, reads everything at the rate, and draws the next", async () => {
    await using scrubbed = await Scrubbed.start(3);
    const first = await scrubbed.control("status");
    expect(first).toMatchObject({ startedAt: 0, finishedAt: 0, paused: false });
    expect(first.nextAt).toBe(Math.round(scrubbed.clock.now() + 7 * DAY_MS));
    scrubbed.random = 0.9;
    await scrubbed.restart();
    expect((await scrubbed.control("status")).nextAt).toBe(first.nextAt);
    scrubbed.clock.advance(7 * DAY_MS - 10);
    expect(isRunning(await scrubbed.control("status"))).toBe(false);
    scrubbed.clock.advance(10);
    expect(isRunning(await scrubbed.control("status"))).toBe(true);
    const ms = await scrubbed.round();
    const total = 3 * SIZE;
    // The burst of 250 ms is free.
    expect(ms).toBeGreaterThan((total / SCRUB.bytesPerSecond) * 1_000 - 400);
    const done = await scrubbed.control("status");
    expect(done).toMatchObject({ doneBytes: total, totalBytes: total, damagedFound: 0 });
    expect(done.nextAt).toBe(Math.round(done.finishedAt + 0.9 * SCRUB.periodMs));
    await scrubbed.servers.all[0]!.close();
    expect(await scrubbed.saved()).toMatchObject({ format: 1, last: 3, finishedAt: done.finishedAt });
  });

  test("goes on after a restart where it was, and after a kill a minute's reading before at most", async () => {
    await using scrubbed = await Scrubbed.start(4);
    await scrubbed.control("now");
    await scrubbed.until(({ doneBytes }) => doneBytes >= 2 * SIZE);
    const { startedAt } = await scrubbed.control("status");
    const before = scrubbed.disk.counts.read;
    await scrubbed.restart();
    expect(await scrubbed.saved()).toMatchObject({ last: 2, doneBytes: 2 * SIZE, startedAt });
    await scrubbed.round();
    const done = await scrubbed.control("status");
    expect(done).toMatchObject({ doneBytes: 4 * SIZE, totalBytes: 4 * SIZE, startedAt });
    expect(scrubbed.disk.counts.read).toBeGreaterThan(before);
  });

  test("stays paused, over a restart too, until it is resumed", async () => {
    await using scrubbed = await Scrubbed.start(3);
    await scrubbed.control("now");
    await scrubbed.until(({ doneBytes }) => doneBytes >= SIZE);
    expect(await scrubbed.control("pause")).toMatchObject({ paused: true });
    await scrubbed.restart();
    scrubbed.clock.advance(60_000);
    const paused = await scrubbed.control("status");
    expect(paused).toMatchObject({ paused: true, doneBytes: SIZE });
    const reads = scrubbed.disk.counts.read;
    scrubbed.clock.advance(30 * DAY_MS);
    expect((await scrubbed.control("status")).doneBytes).toBe(SIZE);
    expect(scrubbed.disk.counts.read).toBe(reads);
    expect(await scrubbed.control("resume")).toMatchObject({ paused: false });
    await scrubbed.round();
    expect(await scrubbed.control("status")).toMatchObject({ doneBytes: 3 * SIZE });
  });

  test("finds a file that was deleted while this process had it open", async () => {
    await using scrubbed = await Scrubbed.start(2);
    await scrubbed.control("now");
    await scrubbed.round();
    expect(await scrubbed.control("status")).toMatchObject({ damagedFound: 0 });
    await rm(scrubbed.servers.chunkFile(0, 1));
    scrubbed.clock.advance(1_000);
    await scrubbed.control("now");
    await scrubbed.round();
    expect(await scrubbed.control("status")).toMatchObject({ damagedFound: 1 });
  });

  test("of a scrub that is off never begins, and control says so", async () => {
    await using scrubbed = await Scrubbed.start(1, { scrub: { ...SCRUB, bytesPerSecond: 0 } });
    for (const action of ["now", "pause", "resume"]) {
      await expect(scrubbed.control(action)).rejects.toMatchObject({ code: "BAD_REQUEST" });
    }
    scrubbed.clock.advance(100 * DAY_MS);
    expect(await scrubbed.control("status")).toMatchObject({ startedAt: 0, nextAt: 0 });
  });

  test("whose saved state is garbage begins anew", async () => {
    await using scrubbed = await Scrubbed.start(1);
    for (const garbage of [
      "",
      "{",
      "[]",
      '{"format":1}',
      '{"format":2,"paused":false}',
      '{"format":1,"paused":false,"last":-1}',
    ]) {
      await writeFile(join(scrubbed.servers.directoryOf(0), "scrub.json"), garbage);
      await scrubbed.restart();
      expect(await scrubbed.control("status")).toMatchObject({ startedAt: 0, finishedAt: 0, paused: false });
    }
  });

  test("that is due after the wall clock was set back is drawn again", async () => {
    await using scrubbed = await Scrubbed.start(1);
    scrubbed.clock.wallOffset -= 100 * DAY_MS;
    await scrubbed.restart();
    expect((await scrubbed.control("status")).nextAt).toBe(Math.round(scrubbed.clock.now() + 7 * DAY_MS));
  });
});

describe("damage", () => {
  const { bytes, borders } = sealed(2);
  const damages: [string, (path: string) => Promise<void>][] = [
    ["in the header", (path) => flip(path, 20)],
    ["in a record's head", (path) => flip(path, CHUNK_HEADER_SIZE + 10)],
    ["in a block", (path) => flip(path, CHUNK_HEADER_SIZE + 200_000)],
    ["in the last block", (path) => flip(path, borders.at(-1)! - 1)],
    ["in the seal", (path) => flip(path, bytes.length - 10)],
    ["by a cut", (path) => truncate(path, bytes.length - 1)],
    ["by bytes behind the end", (path) => writeFile(path, Buffer.concat([bytes, Buffer.from("x")]))],
    ["by zeroes", (path) => writeFile(path, Buffer.alloc(bytes.length))],
    ["by another chunk's file", (path) => writeFile(path, sealed(3).bytes)],
    [
      "by an older seal",
      (path) =>
        writeFile(path, chunkBytes(SECRETS.clusterId, 2, PAYLOADS, { version: 2, sealed: true }).bytes),
    ],
    ["by removal", (path) => rm(path)],
  ];

  test.each(damages)(
    "%s is found, and told to the master; the other replicas are not blamed",
    async (_where, damage) => {
      const master = new ListeningMaster();
      await master.listen();
      await using scrubbed = await Scrubbed.start(3, { scrub: SCRUB, master: master.address });
      await scrubbed.servers.all[0]!.registered;
      await damage(scrubbed.servers.chunkFile(0, 2));
      await scrubbed.control("now");
      await scrubbed.round();
      expect(await scrubbed.control("status")).toMatchObject({ damagedFound: 1 });
      const beats = master.heartbeats.length;
      scrubbed.clock.advance(100);
      await master.until(() => master.heartbeats.length > beats);
      expect(master.heartbeats.at(-1)).toMatchObject({
        damaged: [2],
        scrub: { damagedFound: 1, doneBytes: 3 * SIZE, totalBytes: 3 * SIZE },
        syncs: { count: 0, bytes: 0, seconds: 0 },
      });
      await scrubbed.servers.all[0]!.close();
      await master.close();
    },
  );

  test("of an open chunk is found up to its durable length", async () => {
    await using scrubbed = await Scrubbed.start(0);
    const { servers } = scrubbed;
    servers.all[1] = await servers.startOne(1);
    const writer = await servers.connect(0, "client");
    const lease = grant(9, servers.replicas);
    for (const payload of PAYLOADS) await append(writer, lease, payload);
    await scrubbed.control("now");
    await scrubbed.round();
    expect(await scrubbed.control("status")).toMatchObject({ damagedFound: 0, doneBytes: SIZE - SEAL_SIZE });
    await flip(servers.chunkFile(0, 9), 1_000);
    await scrubbed.control("now");
    await scrubbed.round();
    expect(await scrubbed.control("status")).toMatchObject({ damagedFound: 1 });
  });

  test("that a copy has replaced is forgotten", async () => {
    await using scrubbed = await Scrubbed.start(2);
    const { servers } = scrubbed;
    servers.all[1] = await servers.startOne(1);
    const stat: ChunkStat = { version: 3, length: borders.at(-1)!, sealed: true };
    await servers.command(1, ChunkOp.copy, { handle: 2, ...stat, sources: [servers.replicas[0]] });
    await flip(servers.chunkFile(0, 2), 5_000);
    await scrubbed.control("now");
    await scrubbed.round();
    expect(await scrubbed.control("status")).toMatchObject({ damagedFound: 1 });
    await servers.command(0, ChunkOp.copy, { handle: 2, ...stat, sources: [servers.replicas[1]] });
    await scrubbed.control("now");
    await scrubbed.round();
    expect(await scrubbed.control("status")).toMatchObject({ damagedFound: 0 });
    expect((await readFile(servers.chunkFile(0, 2))).equals(bytes)).toBe(true);
  });
});

test("a chunk that is sealed anew, cut or removed while it is read is not taken for damaged", async () => {
  await using scrubbed = await Scrubbed.start(0);
  const { servers, disk } = scrubbed;
  servers.all[1] = await servers.startOne(1);
  const writer = await servers.connect(0, "client");
  const lengths: number[] = [];
  for (const handle of [1, 2, 3]) {
    const lease = grant(handle, servers.replicas);
    for (const payload of PAYLOADS) lengths.push((await append(writer, lease, payload)).offset);
  }
  const changes = new Map<string, () => Promise<unknown>>([
    ["1", () => servers.command(0, ChunkOp.seal, { handle: 1, version: 2, length: lengths[1]! })],
    ["2", () => servers.command(0, ChunkOp.seal, { handle: 2, version: 2, length: CHUNK_HEADER_SIZE })],
    ["3", () => servers.command(0, ChunkOp.remove, { handle: 3 })],
  ]);
  disk.fault = async (operation, path) => {
    const name = path.slice(-7, -6);
    const change = changes.get(name);
    if (operation !== "read" || !change) return;
    changes.delete(name);
    await change();
  };
  await scrubbed.control("now");
  await scrubbed.round();
  expect(changes.size).toBe(0);
  expect(await scrubbed.control("status")).toMatchObject({ damagedFound: 0 });
});

describe("a read that fails", () => {
  test("with EIO is damage; on eight chunks the disk has failed, and the scrub rests", async () => {
    await using scrubbed = await Scrubbed.start(10);
    scrubbed.disk.fault = (operation, path) => {
      if (operation === "read" && path.endsWith(".chunk")) throw diskError("EIO");
    };
    await scrubbed.control("now");
    await scrubbed.until(({ damagedFound }) => damagedFound === 8);
    scrubbed.disk.fault = () => {};
    const seal = scrubbed.servers.command(0, ChunkOp.seal, { handle: 1, version: 4, length: 100 });
    await expect(seal).rejects.toMatchObject({ code: "DISK_FAILED" });
    scrubbed.clock.advance(DAY_MS);
    expect(await scrubbed.control("status")).toMatchObject({ damagedFound: 8, doneBytes: 8 * SIZE });
  });

  test("for want of descriptors is no damage, and tried again", async () => {
    await using scrubbed = await Scrubbed.start(2);
    scrubbed.disk.fault = (operation, path) => {
      if (operation === "read" && path.endsWith(".chunk")) throw diskError("EMFILE");
    };
    await scrubbed.control("now");
    for (let i = 0; i < 20; i++) await scrubbed.control("status");
    scrubbed.disk.fault = () => {};
    await scrubbed.round();
    expect(await scrubbed.control("status")).toMatchObject({ damagedFound: 0, doneBytes: 2 * SIZE });
  });
});

test("files that appear among the chunk files are reported by the next round and left alone", async () => {
  await using scrubbed = await Scrubbed.start(1);
  const stranger = join(scrubbed.servers.directoryOf(0), "chunks", "notes.txt");
  await writeFile(stranger, "mine");
  await writeFile(scrubbed.servers.chunkFile(0, 5), sealed(5).bytes);
  await scrubbed.control("now");
  await scrubbed.round();
  expect(scrubbed.lines).toContainEqual([
    "files that are not known lie among the chunk files: they are left alone",
    { count: 2, names: "0000000000000005.chunk notes.txt" },
  ]);
  expect(await readFile(stranger, "utf8")).toBe("mine");
});

async function flip(path: string, at: number): Promise<void> {
  const bytes = await readFile(path);
  bytes[at]! ^= 8;
  await writeFile(path, bytes);
}
