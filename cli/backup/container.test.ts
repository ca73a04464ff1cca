import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { BackupError } from "../../masterd/store/backup-file.ts";
import { systemDisk } from "../../std/disk.ts";
import {
  decodeFileHeader,
  decodeSectionHeader,
  encodeFileHeader,
  encodeSectionHeader,
  FILE_HEADER_SIZE,
  SECTION_HEADER_SIZE,
} from "./container.ts";
import { readContainer, readSection } from "./container-reader.ts";
import { ContainerWriter } from "./container-writer.ts";

const CLUSTER = "0123456789abcdef0123456789abcdef";
const TAKEN_AT = 1_800_000_000_000;
let directory: string;

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "skerry-container-"));
});
afterAll(() => rm(directory, { recursive: true, force: true }));

async function* pieces(...texts: string[]): AsyncGenerator<Uint8Array> {
  for (const text of texts) yield Buffer.from(text);
}

let files = 0;
async function written(): Promise<Buffer> {
  const path = join(directory, `${++files}`);
  const writer = await ContainerWriter.create(systemDisk, path);
  await writer.section("storage", 1, pieces("cata", "log"));
  await writer.section("empty", 7, pieces());
  await writer.section("database/notifications", 12, pieces("rows\n"));
  await writer.finish({ clusterId: CLUSTER, takenAt: TAKEN_AT });
  await writer.close();
  return Buffer.from(await Bun.file(path).arrayBuffer());
}

async function read(bytes: Uint8Array) {
  const path = join(directory, `${++files}`);
  await Bun.write(path, bytes);
  return readContainer(systemDisk, path);
}

test("what is written comes back", async () => {
  const container = (await read(await written()))!;
  expect(container).toMatchObject({ clusterId: CLUSTER, takenAt: TAKEN_AT });
  const bodies: Record<string, unknown> = {};
  for (const section of container.sections.values()) {
    const body: Buffer[] = [];
    for await (const piece of readSection(systemDisk, section)) body.push(Buffer.from(piece));
    bodies[section.name] = [section.version, Buffer.concat(body).toString()];
  }
  expect(bodies).toEqual({
    storage: [1, "catalog"],
    empty: [7, ""],
    "database/notifications": [12, "rows\n"],
  });
});

test("the headers lie as the format says", () => {
  const file = encodeFileHeader({ sections: 2, size: 0x1234, clusterId: CLUSTER, takenAt: 5 });
  expect(file.toString("hex")).toBe(
    `534b43420100020034120000000000000123456789abcdef0123456789abcdef0500000000000000${"00".repeat(20)}${file.toString("hex", 60)}`,
  );
  expect(decodeFileHeader(file)).toEqual({ sections: 2, size: 0x1234, clusterId: CLUSTER, takenAt: 5 });
  const digest = Buffer.alloc(32, 0xdd);
  const section = encodeSectionHeader({ name: "ab", version: 3, size: 9, digest });
  expect(section.toString("hex")).toBe(
    `534b4353030000000900000000000000${"6162"}${"00".repeat(30)}${"dd".repeat(32)}${"00".repeat(44)}${section.toString("hex", 124)}`,
  );
  expect(decodeSectionHeader(section)).toEqual({ name: "ab", version: 3, size: 9, digest });
});

test("every flipped bit is found, and every other length", async () => {
  const bytes = await written();
  for (let bit = 0; bit < bytes.length * 8; bit += 3) {
    const damaged = Buffer.from(bytes);
    damaged[bit >> 3]! ^= 1 << (bit & 7);
    // Without its magic it is none of ours, which is told apart.
    if (bit < 32) expect(await read(damaged)).toBeUndefined();
    else await expect(read(damaged)).rejects.toBeInstanceOf(BackupError);
  }
  for (const size of [FILE_HEADER_SIZE - 1, FILE_HEADER_SIZE, SECTION_HEADER_SIZE, bytes.length - 1]) {
    await expect(read(bytes.subarray(0, size))).rejects.toBeInstanceOf(BackupError);
  }
  await expect(read(Buffer.concat([bytes, Buffer.alloc(1)]))).rejects.toBeInstanceOf(BackupError);
});

test("a file that was never finished is no backup", async () => {
  const path = join(directory, "unfinished");
  const writer = await ContainerWriter.create(systemDisk, path);
  await writer.section("storage", 1, pieces("catalog"));
  await writer.close();
  expect(await readContainer(systemDisk, path)).toBeUndefined();
});

test("a newer format is refused as such", () => {
  const header = encodeFileHeader({ sections: 0, size: 64, clusterId: CLUSTER, takenAt: 0 });
  header.writeUInt16LE(2, 4);
  header.writeUInt32LE(Bun.hash.crc32(header.subarray(0, 60)), 60);
  expect(() => decodeFileHeader(header)).toThrow("a newer version of skerry made it");
});
