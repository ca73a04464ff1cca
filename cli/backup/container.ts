// The file of a backup and its sections, as FORMAT.md lays them out.
import { BackupError } from "../../masterd/store/backup-file.ts";
import { assert } from "../../std/assert.ts";

export const FILE_HEADER_SIZE = 64;
export const SECTION_HEADER_SIZE = 128;
export const SECTIONS_MAX = 64;
export const FILE_MAGIC = 0x42434b53; // "SKCB"
const SECTION_MAGIC = 0x53434b53; // "SKCS"
const FORMAT_VERSION = 1;
const NAME_SIZE = 32;
const DIGEST_SIZE = 32;

const FILE = {
  magic: 0,
  format: 4,
  sections: 6,
  size: 8,
  clusterId: 16,
  takenAt: 32,
  reserved: 40,
  crc: 60,
} as const;
assert(FILE.crc + 4 === FILE_HEADER_SIZE, "the fields must fill the header of the file");

const SECTION = {
  magic: 0,
  version: 4,
  size: 8,
  name: 16,
  digest: 48,
  reserved: 80,
  crc: 124,
} as const;
assert(SECTION.name + NAME_SIZE === SECTION.digest, "the name must end at the digest");
assert(SECTION.digest + DIGEST_SIZE === SECTION.reserved, "the digest must end at the reserved bytes");
assert(SECTION.crc + 4 === SECTION_HEADER_SIZE, "the fields must fill the header of a section");

export interface FileHeader {
  sections: number;
  /** Of the whole file, bytes. */
  size: number;
  /** Hex. */
  clusterId: string;
  /** ms since the epoch. */
  takenAt: number;
}

export interface SectionHeader {
  name: string;
  version: number;
  /** Of the body, bytes. */
  size: number;
  /** SHA-256 of the body. */
  digest: Buffer;
}

export function encodeFileHeader({ sections, size, clusterId, takenAt }: FileHeader): Buffer {
  const header = Buffer.alloc(FILE_HEADER_SIZE);
  header.writeUInt32LE(FILE_MAGIC, FILE.magic);
  header.writeUInt16LE(FORMAT_VERSION, FILE.format);
  header.writeUInt16LE(sections, FILE.sections);
  header.writeBigUInt64LE(BigInt(size), FILE.size);
  header.write(clusterId, FILE.clusterId, 16, "hex");
  header.writeBigUInt64LE(BigInt(takenAt), FILE.takenAt);
  header.writeUInt32LE(Bun.hash.crc32(header.subarray(0, FILE.crc)), FILE.crc);
  return header;
}

/** Throws {@link BackupError} for what is no header of a backup that this version can read. */
export function decodeFileHeader(header: Buffer): FileHeader {
  if (header.length < FILE_HEADER_SIZE || header.readUInt32LE(FILE.magic) !== FILE_MAGIC) {
    throw new BackupError("it is no backup of skerry");
  }
  if (header.readUInt32LE(FILE.crc) !== Bun.hash.crc32(header.subarray(0, FILE.crc))) {
    throw new BackupError("its header is damaged");
  }
  const format = header.readUInt16LE(FILE.format);
  if (format !== FORMAT_VERSION)
    throw new BackupError(`a newer version of skerry made it (format ${format})`);
  return {
    sections: header.readUInt16LE(FILE.sections),
    size: Number(header.readBigUInt64LE(FILE.size)),
    clusterId: header.toString("hex", FILE.clusterId, FILE.clusterId + 16),
    takenAt: Number(header.readBigUInt64LE(FILE.takenAt)),
  };
}

export function encodeSectionHeader({ name, version, size, digest }: SectionHeader): Buffer {
  assert(Buffer.byteLength(name) <= NAME_SIZE, "the name of a section must fit its field");
  assert(digest.length === DIGEST_SIZE, "the digest must be a SHA-256");
  const header = Buffer.alloc(SECTION_HEADER_SIZE);
  header.writeUInt32LE(SECTION_MAGIC, SECTION.magic);
  header.writeUInt32LE(version, SECTION.version);
  header.writeBigUInt64LE(BigInt(size), SECTION.size);
  header.write(name, SECTION.name);
  digest.copy(header, SECTION.digest);
  header.writeUInt32LE(Bun.hash.crc32(header.subarray(0, SECTION.crc)), SECTION.crc);
  return header;
}

/** Throws {@link BackupError} for bytes that are no header of a section. */
export function decodeSectionHeader(header: Buffer): SectionHeader {
  const sound =
    header.length === SECTION_HEADER_SIZE &&
    header.readUInt32LE(SECTION.magic) === SECTION_MAGIC &&
    header.readUInt32LE(SECTION.crc) === Bun.hash.crc32(header.subarray(0, SECTION.crc));
  if (!sound) throw new BackupError("the header of a section is damaged");
  const name = header.toString("utf8", SECTION.name, SECTION.name + NAME_SIZE);
  return {
    name: name.replace(/\0+$/, ""),
    version: header.readUInt32LE(SECTION.version),
    size: Number(header.readBigUInt64LE(SECTION.size)),
    digest: Buffer.from(header.subarray(SECTION.digest, SECTION.digest + DIGEST_SIZE)),
  };
}
