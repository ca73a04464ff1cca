import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { systemClock } from "../../std/clock.ts";
import { type Log, type LogFields, silentLog } from "../../std/log.ts";
import { CHUNK_HEADER_SIZE, encodeSeal, recordSize, SEAL_SIZE } from "../protocol/record.ts";
import { chunkBytes } from "../testing/chunk-bytes.ts";
import { diskError, FaultyDisk } from "../testing/faulty-disk.ts";
import { DiskHealth } from "./disk-health.ts";
import { recoverChunks } from "./recovery.ts";

const CLUSTER = "0123456789abcdef0123456789abcdef";
const HANDLE = 0x1f;
const NAME = "000000000000001f.chunk";
const PAYLOADS = [Buffer.from("hello"), Buffer.from("x"), Buffer.from("a third record")];

let directory: string;
let disk: FaultyDisk;
let health: DiskHealth;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "skerry-recovery-"));
  disk = new FaultyDisk();
  health = new DiskHealth(disk, directory, systemClock, silentLog);
});
afterEach(() => rm(directory, { recursive: true, force: true }));

function recoverAll(log: Log = silentLog) {
  return recoverChunks({ clock: systemClock, disk, health, log, clusterId: CLUSTER, directory });
}

/** Recovers a directory with one file; the chunk found, and the file as it then is. */
async function recover(bytes: Buffer, name = NAME) {
  await writeFile(join(directory, name), bytes);
  const { chunks, damaged } = await recoverAll();
  const left = (await readdir(directory)).includes(name) ? await readFile(join(directory, name)) : undefined;
  return { chunk: chunks.get(HANDLE), left, count: chunks.size, damaged: damaged.get(HANDLE) };
}

describe("an unsealed chunk", () => {
  const { bytes, borders } = chunkBytes(CLUSTER, HANDLE, PAYLOADS, { version: 4 });

  test("cut anywhere by a crash ends at its last whole record, and says how far it may have gone", async () => {
    for (let cut = CHUNK_HEADER_SIZE; cut <= bytes.length; cut++) {
      const { chunk, left, damaged } = await recover(bytes.subarray(0, cut));
      const border = borders.filter((end) => end <= cut).at(-1)!;
      expect(chunk).toMatchObject({
        length: border,
        sealed: false,
        version: border > CHUNK_HEADER_SIZE ? 4 : 0,
        tail: cut === border ? 0 : cut,
        salvaged: 0,
      });
      expect(left?.equals(bytes.subarray(0, cut))).toBe(true);
      expect(damaged).toBeUndefined();
    }
  });

  test("with a tail of zeroes, as a lost write leaves it, ends at its last whole record", async () => {
    for (const border of borders) {
      const { chunk, damaged } = await recover(
        Buffer.concat([bytes.subarray(0, border), Buffer.alloc(5000)]),
      );
      expect(chunk).toMatchObject({ length: border, sealed: false, tail: border + 5000, salvaged: 0 });
      expect(damaged).toBeUndefined();
    }
  });

  test("with a bit flipped in any record ends in front of it, and keeps the whole records behind", async () => {
    for (let at = CHUNK_HEADER_SIZE; at < bytes.length; at++) {
      const flipped = Buffer.from(bytes);
      flipped[at]! ^= 1 << (at & 7);
      const { chunk, left, damaged } = await recover(flipped);
      const length = borders.filter((end) => end <= at).at(-1)!;
      const hasMore = at < borders.at(-2)!;
      expect(chunk).toMatchObject({ length, tail: bytes.length, salvaged: hasMore ? bytes.length : 0 });
      expect(damaged).toBe(hasMore ? "behind" : undefined);
      expect(left?.equals(flipped)).toBe(true);
    }
  });

  test("with one record lost and a later one kept, as a power failure may leave them, is reported", async () => {
    const lost = Buffer.from(bytes);
    lost.fill(0, borders[1]!, borders[2]!);
    const { chunk, damaged } = await recover(lost);
    expect(chunk).toMatchObject({ length: borders[1]!, tail: bytes.length, salvaged: bytes.length });
    expect(damaged).toBe("behind");
  });

  test("that lost any sectors of what was not synced keeps all that was, and knows how far it may have gone", async () => {
    const many = chunkBytes(
      CLUSTER,
      HANDLE,
      Array.from({ length: 12 }, (_, i) => Buffer.alloc(40 + i * 97, i + 1)),
    );
    let state = 12_345;
    const random = (below: number): number => {
      state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0;
      return Math.floor((state / 2 ** 32) * below);
    };
    const seen = { whole: 0, torn: 0, holed: 0 };
    for (let round = 0; round < 300; round++) {
      const synced = many.borders[random(many.borders.length)]!;
      const file = Buffer.from(many.bytes);
      const share = random(4);
      for (let sector = 0; sector < file.length; sector += 512) {
        if (random(4) >= share) continue;
        file.fill(0, Math.max(sector, synced), Math.min(file.length, Math.max(sector + 512, synced)));
      }
      const size = random(3) === 0 ? Math.max(synced, random(file.length)) : file.length;
      const { chunk, damaged } = await recover(file.subarray(0, size));
      const { length, tail, salvaged } = chunk!;
      expect(length).toBeGreaterThanOrEqual(synced);
      expect(many.borders).toContain(length);
      expect(file.subarray(0, length).equals(many.bytes.subarray(0, length))).toBe(true);
      expect(tail).toBe(size > length ? size : 0);
      expect(damaged).toBe(salvaged > 0 ? "behind" : undefined);
      if (salvaged > 0) expect(salvaged).toBeGreaterThan(length);
      seen[salvaged > 0 ? "holed" : tail > 0 ? "torn" : "whole"]++;
    }
    for (const count of Object.values(seen)) expect(count).toBeGreaterThan(10);
  });

  test("finds whole records behind any number of bytes that look like heads", async () => {
    const { bytes: behind } = chunkBytes(CLUSTER, HANDLE, [
      Buffer.from("SKRD".repeat(600_000).slice(0, 1 << 20)),
      ...PAYLOADS,
    ]);
    behind[CHUNK_HEADER_SIZE + 1000]! ^= 1;
    const { chunk } = await recover(behind);
    expect(chunk).toMatchObject({ length: CHUNK_HEADER_SIZE, salvaged: behind.length });
  });

  test("takes no other chunk's records, nor its own in another place, for whole ones", async () => {
    const other = chunkBytes(CLUSTER, HANDLE + 1, PAYLOADS).bytes.subarray(CHUNK_HEADER_SIZE);
    const moved = bytes.subarray(CHUNK_HEADER_SIZE);
    for (const junk of [other, moved]) {
      const { chunk } = await recover(Buffer.concat([bytes, Buffer.alloc(7), junk]));
      expect(chunk).toMatchObject({
        length: bytes.length,
        salvaged: 0,
        tail: bytes.length + 7 + junk.length,
      });
    }
  });

  test("is synced before its length counts as durable, whole or not, and never cut", async () => {
    await recover(bytes);
    await recover(bytes.subarray(0, bytes.length - 1));
    expect(disk.counts.sync).toBe(2);
    expect(disk.counts.truncate).toBe(0);
  });

  test("on a disk that refuses syncs is still read, and the disk quarantined", async () => {
    disk.fault = (operation) => {
      if (operation === "sync") throw diskError("EROFS");
    };
    const { chunk } = await recover(bytes.subarray(0, bytes.length - 1));
    expect(chunk).toMatchObject({ length: borders.at(-2)! });
    expect(health.failed).toBe(true);
  });
});

describe("a sealed chunk", () => {
  const { bytes, borders } = chunkBytes(CLUSTER, HANDLE, PAYLOADS, { version: 4, sealed: true });
  const length = borders.at(-1)!;

  test("is taken by its seal, without reading its records", async () => {
    const damaged = Buffer.from(bytes);
    damaged[CHUNK_HEADER_SIZE + 10]! ^= 1;
    const { chunk, left } = await recover(damaged);
    expect(chunk).toMatchObject({ length, sealed: true, version: 4 });
    expect(left?.equals(damaged)).toBe(true);
    expect(disk.counts.read).toBe(2);
  });

  test("whose seal does not verify counts as unsealed, with all its records", async () => {
    for (let at = length; at < bytes.length; at++) {
      const damaged = Buffer.from(bytes);
      damaged[at]! ^= 1 << (at & 7);
      const { chunk, left } = await recover(damaged);
      expect(chunk).toMatchObject({ length, sealed: false, version: 4, tail: damaged.length });
      expect(left?.equals(damaged)).toBe(true);
    }
  });

  test("whose seal is not at the end counts as unsealed up to it", async () => {
    const { chunk, damaged } = await recover(
      Buffer.concat([bytes, Buffer.from("left over from before the cut")]),
    );
    expect(chunk).toMatchObject({ length, sealed: false });
    expect(damaged).toBeUndefined();
  });

  test("whose seal is another chunk's is not sealed", async () => {
    const other = Buffer.concat([bytes.subarray(0, length), encodeSeal(HANDLE + 1, 4, length)]);
    expect(other.length).toBe(length + SEAL_SIZE);
    expect((await recover(other)).chunk).toMatchObject({ length, sealed: false });
  });
});

describe("a header", () => {
  const { bytes } = chunkBytes(CLUSTER, HANDLE, PAYLOADS, { sealed: true });

  test("that is cut short anywhere was an interrupted creation: the file is removed", async () => {
    for (let cut = 0; cut < CHUNK_HEADER_SIZE; cut++) {
      const { count, left } = await recover(bytes.subarray(0, cut));
      expect(count).toBe(0);
      expect(left).toBeUndefined();
    }
  });

  test("that fails its checksum in a file too short for a record is an interrupted creation too", async () => {
    const { count, left } = await recover(Buffer.alloc(CHUNK_HEADER_SIZE + recordSize(1) - 1));
    expect(count).toBe(0);
    expect(left).toBeUndefined();
  });

  test("that fails its checksum in front of records makes the replica damaged, but readable, and it is kept", async () => {
    for (const file of [bytes, bytes.subarray(0, bytes.length - SEAL_SIZE)]) {
      const flipped = Buffer.from(file);
      flipped[20]! ^= 1;
      const { chunk, left, damaged } = await recover(flipped);
      expect(chunk).toMatchObject({ unreadable: undefined, length: bytes.length - SEAL_SIZE });
      expect(damaged).toBe("inside");
      expect(left?.equals(flipped)).toBe(true);
    }
  });

  test("that fails its checksum in front of another chunk's records is not served", async () => {
    const other = chunkBytes(CLUSTER, HANDLE + 1, PAYLOADS, { sealed: true }).bytes;
    other[20]! ^= 1;
    const { chunk, left, damaged } = await recover(other);
    expect(chunk).toMatchObject({ unreadable: "header", length: 0 });
    expect(damaged).toBe("inside");
    expect(left?.equals(other)).toBe(true);
  });

  test.each([
    ["another chunk", "handle", chunkBytes(CLUSTER, HANDLE + 1, PAYLOADS, { sealed: true }).bytes],
    ["another cluster", "cluster", chunkBytes("f".repeat(32), HANDLE, PAYLOADS, { sealed: true }).bytes],
  ] as const)("of %s is never served, and the file left alone", async (_what, reason, foreign) => {
    const { chunk, left } = await recover(foreign);
    expect(chunk).toMatchObject({ unreadable: reason });
    expect(left?.equals(foreign)).toBe(true);
  });
});

test("a file whose name is no handle is left alone", async () => {
  for (const name of [
    "notes.txt",
    "notes.copy",
    "1f.chunk",
    "ffffffffffffffff.chunk",
    "0000000000000000.chunk",
    "0000000000000000.copy",
    "000000000000001f.kept",
    "000000000000001f.2.kept",
  ]) {
    const { count, left } = await recover(Buffer.from("?"), name);
    expect(count).toBe(0);
    expect(left?.toString()).toBe("?");
  }
});

test("an unfinished copy is removed", async () => {
  const { left } = await recover(Buffer.from("half a copy"), "000000000000001f.copy");
  expect(left).toBeUndefined();
});

test("more files than are examined at once are all found", async () => {
  for (let handle = 1; handle <= 40; handle++) {
    const { bytes } = chunkBytes(CLUSTER, handle, PAYLOADS, { sealed: true });
    await writeFile(join(directory, `${handle.toString(16).padStart(16, "0")}.chunk`), bytes);
  }
  const { chunks } = await recoverAll();
  expect([...chunks.keys()].sort((a, b) => a - b)).toEqual(Array.from({ length: 40 }, (_, i) => i + 1));
});

test("the names that were found are made durable before the chunks count", async () => {
  const synced: string[] = [];
  disk.syncDirectory = async (path) => void synced.push(path);
  await recover(chunkBytes(CLUSTER, HANDLE, PAYLOADS, { version: 4, sealed: true }).bytes);
  expect(synced).toEqual([directory]);
});

test("one line sums up what was found, by kind, and every strange file is named", async () => {
  const plant = (name: string, bytes: Buffer) => writeFile(join(directory, name), bytes);
  const chunkName = (handle: number) => `${handle.toString(16).padStart(16, "0")}.chunk`;
  const made = (handle: number, options?: { sealed?: boolean }, cluster = CLUSTER) =>
    chunkBytes(cluster, handle, PAYLOADS, options).bytes;
  const edited = (bytes: Buffer, at: number) => {
    bytes[at]! ^= 1;
    return bytes;
  };
  const newer = made(7, { sealed: true });
  newer.writeUInt16LE(2, 4);
  newer.writeUInt32LE(Bun.hash.crc32(newer.subarray(0, 60)), 60);
  await plant(chunkName(1), made(1, { sealed: true }));
  await plant(chunkName(2), made(2));
  await plant(chunkName(3), made(3).subarray(0, -1));
  await plant(chunkName(4), edited(made(4), CHUNK_HEADER_SIZE + 50));
  await plant(chunkName(5), made(55, { sealed: true }));
  await plant(chunkName(6), made(6, { sealed: true }, "f".repeat(32)));
  await plant(chunkName(7), newer);
  await plant(chunkName(8), edited(made(8, { sealed: true }), 9));
  await mkdir(join(directory, chunkName(9)));
  await plant(chunkName(10), Buffer.alloc(3));
  await plant("notes.txt", Buffer.from("mine"));
  await plant("000000000000000b.copy", Buffer.from("half"));
  await plant("000000000000000c.kept", Buffer.from("kept"));
  const lines: [string, LogFields | undefined][] = [];
  const note = (message: string, fields?: LogFields) => void lines.push([message, fields]);
  const { chunks } = await recoverAll({ ...silentLog, info: note, warn: note });
  expect(lines.at(-1)).toEqual([
    "looked through the chunk files: not all are as they should be",
    {
      directory,
      ms: expect.any(Number),
      sealed: 1,
      unsealed: 1,
      tornTail: 1,
      holed: 1,
      foreignHandle: 1,
      foreignCluster: 1,
      newerFormat: 1,
      damagedHeader: 1,
      notAChunk: 2,
      unfinishedCreation: 1,
      unfinishedCopy: 1,
      keptAside: 1,
    },
  ]);
  const named = lines.slice(0, -1).map(([, fields]) => fields?.kind);
  expect(named.sort()).toEqual(
    ["damagedHeader", "foreignCluster", "foreignHandle", "holed", "keptAside", "newerFormat"].concat([
      "notAChunk",
      "notAChunk",
      "tornTail",
    ]),
  );
  expect([...chunks.keys()].sort((a, b) => a - b)).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9]);
});

describe("a file that cannot be read", () => {
  test("with EIO is a damaged replica; eight of them are a failed disk", async () => {
    for (let handle = 1; handle <= 8; handle++) {
      const { bytes } = chunkBytes(CLUSTER, handle, PAYLOADS, { sealed: true });
      await writeFile(join(directory, `${handle.toString(16).padStart(16, "0")}.chunk`), bytes);
    }
    for (const [broken, failed] of [
      [7, false],
      [8, true],
    ] as const) {
      disk.fault = (operation, path) => {
        if (operation === "read" && Number.parseInt(path.slice(-22), 16) <= broken) throw diskError("EIO");
      };
      const { chunks, damaged } = await recoverAll();
      expect(damaged.size).toBe(broken);
      expect([...chunks.values()].filter(({ unreadable }) => unreadable === "read")).toHaveLength(broken);
      expect(health.failed).toBe(failed);
      await health.settled();
    }
  });

  test("for want of descriptors says nothing of the file: the start is refused", async () => {
    await writeFile(join(directory, NAME), chunkBytes(CLUSTER, HANDLE, PAYLOADS).bytes);
    disk.fault = () => {
      throw diskError("EMFILE");
    };
    await expect(recoverAll()).rejects.toMatchObject({ code: "EMFILE" });
    expect(health.failed).toBe(false);
  });
});
