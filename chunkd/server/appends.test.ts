import { describe, expect, test } from "bun:test";
import { readFile } from "node:fs/promises";
import { type AppendResponse, ChunkOp, type ChunkStat } from "../protocol/messages.ts";
import {
  blockTable,
  CHUNK_HEADER_SIZE,
  encodeRecordHead,
  RECORD_PAYLOAD_MAX,
  recordSize,
} from "../protocol/record.ts";
import { readRun, unplacedHead } from "../protocol/record-run.ts";
import { append, grant, Servers } from "../testing/cluster.ts";
import { diskError, FaultyDisk } from "../testing/faulty-disk.ts";
import { ManualClock } from "../testing/manual-clock.ts";
import { LAG_MS_MAX, QUORUM_TIMEOUT_MS } from "./primary-chunk.ts";

const PAYLOAD = Buffer.from("a payload");

/** Asks until `done`; the test's own timeout ends a condition that never comes. */
async function until<T>(ask: () => Promise<T>, done: (value: T) => boolean): Promise<T> {
  for (;;) {
    const value = await ask();
    if (done(value)) return value;
    await Bun.sleep(1);
  }
}

/** A lock-step: operations wait at the gate until it opens. */
function gate() {
  const { promise, resolve } = Promise.withResolvers<void>();
  return { wait: () => promise, open: resolve };
}

describe("appends", () => {
  test("in flight together come to lie back to back in the order they were sent, the same on all replicas", async () => {
    await using servers = await Servers.start(3);
    const writer = await servers.connect(0, "client");
    const lease = grant(1, servers.replicas);
    const payloads = Array.from({ length: 60 }, (_, i) => Buffer.alloc(1 + i * 3001, i));
    const answers = await Promise.all(payloads.map((payload) => append(writer, lease, payload)));

    let offset = CHUNK_HEADER_SIZE;
    for (const [i, answer] of answers.entries()) {
      expect(answer.offset).toBe(offset);
      expect(answer.prepared.length).toBeGreaterThanOrEqual(2);
      expect(answer.prepared[0]).toBe("c0");
      expect(answer.dropped).toEqual([]);
      offset += recordSize(payloads[i]!.length);
    }
    for (const index of [0, 1, 2]) {
      const stat = () => servers.command(index, ChunkOp.stat, { handle: 1 });
      await until(stat, ({ length }) => length === offset);
    }
    const files = await Promise.all([0, 1, 2].map((index) => readFile(servers.chunkFile(index, 1))));
    expect(files[0]!.length).toBe(offset);
    expect(files[1]).toEqual(files[0]!);
    expect(files[2]).toEqual(files[0]!);
  });

  test("that arrive during a sync share the next one", async () => {
    const disk = new FaultyDisk();
    await using servers = await Servers.start(2, [{ disk }]);
    const writer = await servers.connect(0, "client");
    const lease = grant(1, servers.replicas);
    await append(writer, lease, PAYLOAD);
    const before = disk.counts.sync;
    await Promise.all(Array.from({ length: 100 }, () => append(writer, lease, PAYLOAD)));
    expect(disk.counts.sync - before).toBeLessThan(50);
  });

  test("fill a chunk to its end, and no further", async () => {
    await using servers = await Servers.start(2);
    const writer = await servers.connect(0, "client");
    const lease = grant(1, servers.replicas);
    const payload = Buffer.alloc(RECORD_PAYLOAD_MAX, 1);
    for (let i = 0; i < 63; i++) await append(writer, lease, payload);
    await expect(append(writer, lease, payload)).rejects.toMatchObject({ code: "CHUNK_FULL" });
    expect((await append(writer, lease, PAYLOAD)).offset).toBe(
      CHUNK_HEADER_SIZE + 63 * recordSize(RECORD_PAYLOAD_MAX),
    );
  });

  test("of a run lie back to back in its order, under one answer, the same on all replicas", async () => {
    await using servers = await Servers.start(3);
    const writer = await servers.connect(0, "client");
    const lease = grant(1, servers.replicas);
    await append(writer, lease, PAYLOAD);
    const payloads = [PAYLOAD, Buffer.alloc(100_000, 7), Buffer.alloc(1, 9)];
    const { meta } = await writer.call(ChunkOp.append, lease, runOf(payloads));
    const answer = meta as AppendResponse;
    const start = CHUNK_HEADER_SIZE + recordSize(PAYLOAD.length);
    expect(answer.offset).toBe(start);
    const length = start + payloads.reduce((sum, payload) => sum + recordSize(payload.length), 0);
    for (const index of [0, 1, 2]) {
      await until(
        () => servers.command(index, ChunkOp.stat, { handle: 1 }),
        (stat) => stat.length === length,
      );
    }
    const files = await Promise.all([0, 1, 2].map((index) => readFile(servers.chunkFile(index, 1))));
    expect(files[1]).toEqual(files[0]!);
    expect(files[2]).toEqual(files[0]!);
    const run = readRun(files[0]!.subarray(start), { handle: 1, version: 1, offset: start });
    if (typeof run === "string") throw new Error(run);
    const { records } = run;
    const crcs = records.map(({ at, headSize }) => files[0]!.readUInt32LE(start + at + headSize - 4));
    expect(crcs).toEqual([0, 4, 8].map((at) => Buffer.from(answer.recordCrcs).readUInt32LE(at)));
    const stored = records.map(({ at, headSize }, i) =>
      files[0]!.subarray(start + at + headSize, start + at + headSize + payloads[i]!.length),
    );
    expect(stored).toEqual(payloads);
  });

  test("of a run that was damaged on the way are refused as one, before a byte is written", async () => {
    await using servers = await Servers.start(2);
    const writer = await servers.connect(0, "client");
    const lease = grant(1, servers.replicas);
    const run = Buffer.concat(runOf([PAYLOAD, PAYLOAD]));
    for (let bit = 0; bit < run.length * 8; bit++) {
      const damaged = Buffer.from(run);
      damaged[bit >> 3]! ^= 1 << (bit & 7);
      await expect(writer.call(ChunkOp.append, lease, damaged)).rejects.toMatchObject({ code: "CHECKSUM" });
    }
    await expect(servers.command(0, ChunkOp.stat, { handle: 1 })).rejects.toMatchObject({
      code: "NO_SUCH_CHUNK",
    });
  });
});

describe("a replica that is lost while appends run", () => {
  test.each([1, 2])("as secondary %d is dropped, and every append is answered", async (lost) => {
    await using servers = await Servers.start(3);
    const writer = await servers.connect(0, "client");
    const lease = grant(1, servers.replicas);
    const offsets: number[] = [];
    const survivor = 3 - lost;
    for (let round = 0; round < 10; round++) {
      if (round === 5) await servers.all[lost]!.close();
      const answers = await Promise.all(Array.from({ length: 8 }, () => append(writer, lease, PAYLOAD)));
      offsets.push(...answers.map(({ offset }) => offset));
      for (const { prepared } of answers) {
        if (round > 5) expect(prepared).toEqual(["c0", `c${survivor}`]);
      }
    }
    const last = await append(writer, lease, PAYLOAD);
    expect(last.dropped).toEqual([`c${lost}`]);
    expect(new Set(offsets).size).toBe(80);
    const { length } = await servers.command(0, ChunkOp.stat, { handle: 1 });
    expect(await servers.command(survivor, ChunkOp.stat, { handle: 1 })).toMatchObject({ length });
  });

  test("as primary ends the appends with an error; what it answered is on a secondary", async () => {
    await using servers = await Servers.start(3);
    const writer = await servers.connect(0, "client");
    const lease = grant(1, servers.replicas);
    const { offset } = await append(writer, lease, PAYLOAD);
    await servers.all[0]!.close();
    await expect(append(writer, lease, PAYLOAD)).rejects.toMatchObject({ code: "DISCONNECTED" });
    const stats = await Promise.all(
      [1, 2].map((i) => servers.command(i, ChunkOp.stat, { handle: 1 }).catch(() => undefined)),
    );
    expect(Math.max(...stats.map((stat) => stat?.length ?? 0))).toBe(offset + recordSize(PAYLOAD.length));
  });

  test("never there leaves a chunk that starts with the other two", async () => {
    await using servers = await Servers.start(3);
    await servers.all[1]!.close();
    const writer = await servers.connect(0, "client");
    const answer = await append(writer, grant(1, servers.replicas), PAYLOAD);
    expect(answer).toMatchObject({ prepared: ["c0", "c2"], dropped: ["c1"] });
  });

  test("with a failing sync is dropped", async () => {
    const disk = new FaultyDisk();
    await using servers = await Servers.start(3, [{}, { disk }]);
    const writer = await servers.connect(0, "client");
    const lease = grant(1, servers.replicas);
    await append(writer, lease, PAYLOAD);
    disk.fault = (operation) => {
      if (operation === "sync") throw diskError("EIO");
    };
    await append(writer, lease, PAYLOAD);
    const answer = await until(
      () => append(writer, lease, PAYLOAD),
      ({ dropped }) => dropped.length > 0,
    );
    expect(answer).toMatchObject({ prepared: ["c0", "c2"], dropped: ["c1"] });
  });

  test("that stalls is dropped when it lags too long behind the quorum", async () => {
    const clock = new ManualClock();
    const disk = new FaultyDisk();
    const stall = gate();
    await using servers = await Servers.start(3, [{ clock }, { disk }]);
    const writer = await servers.connect(0, "client");
    const lease = grant(1, servers.replicas);
    await append(writer, lease, PAYLOAD);
    disk.fault = (operation) => (operation === "sync" ? stall.wait() : undefined);
    expect(await append(writer, lease, PAYLOAD)).toMatchObject({ prepared: ["c0", "c2"], dropped: [] });
    clock.advance(LAG_MS_MAX + 600);
    expect(await append(writer, lease, PAYLOAD)).toMatchObject({ prepared: ["c0", "c2"], dropped: ["c1"] });
    stall.open();
  });
});

describe("a quorum that cannot be reached", () => {
  test("because both secondaries are gone answers NO_QUORUM, and the chunk takes no more", async () => {
    await using servers = await Servers.start(3);
    const writer = await servers.connect(0, "client");
    const lease = grant(1, servers.replicas);
    await append(writer, lease, PAYLOAD);
    await servers.all[1]!.close();
    await servers.all[2]!.close();
    const late = await Promise.allSettled([append(writer, lease, PAYLOAD), append(writer, lease, PAYLOAD)]);
    for (const { status, ...rest } of late) {
      expect(status).toBe("rejected");
      expect(["NO_QUORUM", "NOT_OPEN"]).toContain((rest as { reason: { code: string } }).reason.code);
    }
    await expect(append(writer, lease, PAYLOAD)).rejects.toMatchObject({ code: "NOT_OPEN" });
  });

  test("with the only secondary of two gone answers NO_QUORUM", async () => {
    await using servers = await Servers.start(2);
    await servers.all[1]!.close();
    const writer = await servers.connect(0, "client");
    await expect(append(writer, grant(1, servers.replicas), PAYLOAD)).rejects.toMatchObject({
      code: "NO_QUORUM",
    });
  });

  test("in time answers NO_QUORUM to all that wait", async () => {
    const clock = new ManualClock();
    const disks = [new FaultyDisk(), new FaultyDisk()];
    const stall = gate();
    await using servers = await Servers.start(3, [{ clock }, ...disks.map((disk) => ({ disk }))]);
    const writer = await servers.connect(0, "client");
    const lease = grant(1, servers.replicas);
    await append(writer, lease, PAYLOAD);
    const syncing = Promise.withResolvers<void>();
    for (const disk of disks) {
      disk.fault = (operation) => {
        if (operation !== "sync") return undefined;
        syncing.resolve();
        return stall.wait();
      };
    }
    const waiting = [append(writer, lease, PAYLOAD), append(writer, lease, PAYLOAD)];
    await syncing.promise;
    // Requests of one connection are taken in order: with this answer, both appends wait.
    await writer.call(ChunkOp.read, { handle: 1, offset: CHUNK_HEADER_SIZE, firstBlock: 0, blockCount: 1 });
    clock.advance(QUORUM_TIMEOUT_MS + 600);
    for (const outcome of await Promise.allSettled(waiting)) {
      expect(outcome).toMatchObject({ status: "rejected", reason: { code: "NO_QUORUM" } });
    }
    await expect(append(writer, lease, PAYLOAD)).rejects.toMatchObject({ code: "NOT_OPEN" });
    stall.open();
  });

  test("because the primary's own disk fails answers DISK_FAILED, and secondaries are told to stop", async () => {
    const disk = new FaultyDisk();
    await using servers = await Servers.start(3, [{ disk }]);
    const writer = await servers.connect(0, "client");
    const lease = grant(1, servers.replicas);
    await append(writer, lease, PAYLOAD);
    disk.fault = (operation) => {
      if (operation === "write") throw diskError("EIO");
    };
    await expect(append(writer, lease, PAYLOAD)).rejects.toMatchObject({ code: "DISK_FAILED" });
    const peer = await servers.connect(1, "chunkserver", "c0");
    const oneMore = async (): Promise<string> => {
      const { length } = await servers.command(1, ChunkOp.stat, { handle: 1 });
      return await replicate(peer, lease, length).then(
        () => "taken",
        (error: { code: string }) => error.code,
      );
    };
    await until(oneMore, (outcome) => outcome === "NOT_OPEN");
  });
});

/** The body of an append to chunk 1 of version 1. */
function runOf(payloads: readonly Buffer[]): Buffer[] {
  return payloads.flatMap((payload) => [unplacedHead(1, 1, payload, blockTable(payload)), payload]);
}

/** Sends one record as the primary `c0` would. */
async function replicate(
  peer: Awaited<ReturnType<Servers["connect"]>>,
  lease: ReturnType<typeof grant>,
  offset: number,
): Promise<number> {
  const head = encodeRecordHead({
    handle: lease.handle,
    version: lease.version,
    offset,
    size: PAYLOAD.length,
    table: blockTable(PAYLOAD),
  });
  const { meta } = await peer.call(ChunkOp.replicate, { ...lease, offset }, [head, PAYLOAD]);
  return (meta as ChunkStat).length;
}

describe("a secondary", () => {
  const size = recordSize(PAYLOAD.length);

  test("takes each record once, in order", async () => {
    await using servers = await Servers.start(2);
    const lease = grant(1, servers.replicas);
    const peer = await servers.connect(1, "chunkserver", "c0");
    expect(await replicate(peer, lease, 64)).toBe(64 + size);
    await expect(replicate(peer, lease, 64)).rejects.toMatchObject({ code: "OUT_OF_RANGE" });
    await expect(replicate(peer, lease, 64 + 2 * size)).rejects.toMatchObject({ code: "OUT_OF_RANGE" });
    expect(await replicate(peer, lease, 64 + size)).toBe(64 + 2 * size);
    expect((await readFile(servers.chunkFile(1, 1))).length).toBe(64 + 2 * size);
  });

  test("does not begin a chunk in its middle", async () => {
    await using servers = await Servers.start(2);
    const peer = await servers.connect(1, "chunkserver", "c0");
    const late = replicate(peer, grant(1, servers.replicas), 64 + size);
    await expect(late).rejects.toMatchObject({ code: "OUT_OF_RANGE" });
    const stat = servers.command(1, ChunkOp.stat, { handle: 1 });
    await expect(stat).rejects.toMatchObject({ code: "NO_SUCH_CHUNK" });
  });

  test("refuses a record that was damaged on the way", async () => {
    await using servers = await Servers.start(2);
    const lease = grant(1, servers.replicas);
    const peer = await servers.connect(1, "chunkserver", "c0");
    const table = blockTable(PAYLOAD);
    const head = encodeRecordHead({ handle: 1, version: 1, offset: 64, size: PAYLOAD.length, table });
    const damaged = [Buffer.from("b payload"), PAYLOAD.subarray(1), Buffer.concat([PAYLOAD, PAYLOAD])];
    for (const payload of damaged) {
      const call = peer.call(ChunkOp.replicate, { ...lease, offset: 64 }, [head, payload]);
      await expect(call).rejects.toMatchObject({ code: "CHECKSUM" });
    }
  });

  test("takes records from the chunk's primary only", async () => {
    await using servers = await Servers.start(3);
    const other = await servers.connect(1, "chunkserver", "c2");
    const call = replicate(other, grant(1, servers.replicas), 64);
    await expect(call).rejects.toMatchObject({ code: "BAD_CAPABILITY" });
  });
});

describe("a capability", () => {
  test("of nobody, for another chunk, or used up, allows nothing", async () => {
    await using servers = await Servers.start(2);
    const writer = await servers.connect(0, "client");
    const good = grant(1, servers.replicas);
    const expired = grant(1, servers.replicas, { validForMs: -1 });
    for (const lease of [{ ...good, capability: Buffer.alloc(32) }, { ...good, handle: 2 }, expired]) {
      await expect(append(writer, lease, PAYLOAD)).rejects.toMatchObject({ code: "BAD_CAPABILITY" });
    }
  });

  test("for another primary is refused by a secondary", async () => {
    await using servers = await Servers.start(2);
    const writer = await servers.connect(1, "client");
    const call = append(writer, grant(1, servers.replicas), PAYLOAD);
    await expect(call).rejects.toMatchObject({ code: "BAD_CAPABILITY" });
  });

  test("ends by the time that passes, whatever this machine's wall clock says", async () => {
    const clock = new ManualClock();
    await using servers = await Servers.start(2, [{ clock }]);
    const writer = await servers.connect(0, "client");
    const lease = grant(1, servers.replicas);
    clock.wallOffset += 86_400_000;
    await append(writer, lease, PAYLOAD);
    clock.wallOffset -= 2 * 86_400_000;
    clock.advance(61_000 + 1_000);
    // A connection without a sign of life is dropped in that time.
    const late = await servers.connect(0, "client");
    await expect(append(late, lease, PAYLOAD)).rejects.toMatchObject({ code: "BAD_CAPABILITY" });
  });
});
