// Records and headers of chunk files, as chunkd/FORMAT.md lays them out. Pure: no sockets, clock or disk.
import { assert } from "../../std/assert.ts";

export const CHUNK_SIZE_MAX = 64 << 20;
export const CHUNK_HEADER_SIZE = 64;
export const BLOCK_SIZE = 64 << 10;
export const RECORD_PAYLOAD_MAX = 1 << 20;
export const SEAL_SIZE = 44;
export const HANDLE_MAX = Number.MAX_SAFE_INTEGER;
const FORMAT_VERSION = 1;

const MAGIC = { chunk: 0x48434b53, data: 0x44524b53, seal: 0x4c534b53 } as const;
const CHUNK_AT = { magic: 0, format: 4, handle: 8, clusterId: 16, crc: 60 } as const;
const AT = {
  magic: 0,
  version: 4,
  handle: 8,
  offset: 16,
  size: 24,
  blocks: 28,
  sealLength: 32,
  table: 40,
} as const;
assert(CHUNK_AT.crc + 4 === CHUNK_HEADER_SIZE, "the fields must fill the chunk header");
assert(AT.table + 4 === SEAL_SIZE, "a seal is a record of no blocks");

/** Bytes of a record in front of its payload. */
export function recordHeadSize(payloadSize: number): number {
  return AT.table + 4 * Math.ceil(payloadSize / BLOCK_SIZE) + 4;
}

/** Bytes of a whole record. */
export function recordSize(payloadSize: number): number {
  return recordHeadSize(payloadSize) + payloadSize;
}

const FULL_RECORD_SIZE = recordSize(RECORD_PAYLOAD_MAX);

/** How much payload a chunk can hold from `length` on, in full records and a last one, in bytes. */
export function payloadRoom(length: number): number {
  const room = CHUNK_SIZE_MAX - SEAL_SIZE - length;
  const full = Math.max(0, Math.floor(room / FULL_RECORD_SIZE));
  let rest = room - full * FULL_RECORD_SIZE;
  // The table grows with the payload: take off what the rest's own head needs.
  rest = Math.max(0, rest - recordHeadSize(rest));
  return full * RECORD_PAYLOAD_MAX + rest;
}

/** The CRC of each 64 KiB block of `payload`, as the bytes of a record's table. */
export function blockTable(payload: Uint8Array): Buffer {
  const table = Buffer.allocUnsafe(4 * Math.ceil(payload.length / BLOCK_SIZE));
  for (let block = 0; block * BLOCK_SIZE < payload.length; block++) {
    const bytes = payload.subarray(block * BLOCK_SIZE, (block + 1) * BLOCK_SIZE);
    table.writeUInt32LE(Bun.hash.crc32(bytes), block * 4);
  }
  return table;
}

export interface RecordHead {
  handle: number;
  version: number;
  /** File offset of the record. */
  offset: number;
  /** Payload bytes. */
  size: number;
  /** The block CRCs, 4 bytes each. */
  table: Uint8Array;
  /** Covers all of the above. */
  crc: number;
}

/** The head of a data record, to be followed by its payload. */
export function encodeRecordHead(record: Omit<RecordHead, "crc">): Buffer {
  assert(record.size > 0 && record.size <= RECORD_PAYLOAD_MAX, "a record holds 1 byte to 1 MiB");
  assert(record.table.length === 4 * Math.ceil(record.size / BLOCK_SIZE), "a table has an entry a block");
  return encode(MAGIC.data, record, 0);
}

/** The seal of a chunk whose length is `length`. */
export function encodeSeal(handle: number, version: number, length: number): Buffer {
  return encode(MAGIC.seal, { handle, version, offset: length, size: 0, table: new Uint8Array(0) }, length);
}

function encode(magic: number, record: Omit<RecordHead, "crc">, sealLength: number): Buffer {
  const head = Buffer.alloc(AT.table + record.table.length + 4);
  head.writeUInt32LE(magic, AT.magic);
  head.writeUInt32LE(record.version, AT.version);
  head.writeBigUInt64LE(BigInt(record.handle), AT.handle);
  head.writeBigUInt64LE(BigInt(record.offset), AT.offset);
  head.writeUInt32LE(record.size, AT.size);
  head.writeUInt32LE(record.table.length / 4, AT.blocks);
  head.writeBigUInt64LE(BigInt(sealLength), AT.sealLength);
  head.set(record.table, AT.table);
  head.writeUInt32LE(Bun.hash.crc32(head.subarray(0, head.length - 4)), head.length - 4);
  return head;
}

/** Moves the encoded data record at `at` of `bytes` to file `offset`, by writing its head anew; returns its new CRC. */
export function placeRecord(bytes: Buffer, at: number, headSize: number, offset: number): number {
  bytes.writeUInt32LE(offset >>> 0, at + AT.offset);
  bytes.writeUInt32LE(Math.floor(offset / 2 ** 32), at + AT.offset + 4);
  const crcAt = at + headSize - 4;
  const crc = Bun.hash.crc32(bytes.subarray(at, crcAt));
  bytes.writeUInt32LE(crc, crcAt);
  return crc;
}

/** The CRC at the end of an encoded head. */
export function recordCrc(head: Buffer): number {
  return head.readUInt32LE(head.length - 4);
}

/**
 * Decodes the record head at the start of `bytes`, which must be that of `handle` at file `offset`.
 * Returns `"short"` when more bytes are needed, `"invalid"` when they can never be that record.
 */
export function decodeRecordHead(
  bytes: Buffer,
  handle: number,
  offset: number,
): (RecordHead & { kind: "data" | "seal"; headSize: number }) | "short" | "invalid" {
  if (bytes.length < SEAL_SIZE) return "short";
  const magic = bytes.readUInt32LE(AT.magic);
  const size = bytes.readUInt32LE(AT.size);
  const isSeal = magic === MAGIC.seal;
  if (!isSeal && magic !== MAGIC.data) return "invalid";
  if (isSeal ? size !== 0 : size === 0 || size > RECORD_PAYLOAD_MAX) return "invalid";
  if (bytes.readUInt32LE(AT.blocks) !== Math.ceil(size / BLOCK_SIZE)) return "invalid";
  const headSize = recordHeadSize(size);
  if (bytes.length < headSize) return "short";
  const crc = bytes.readUInt32LE(headSize - 4);
  if (crc !== Bun.hash.crc32(bytes.subarray(0, headSize - 4))) return "invalid";
  if (bytes.readBigUInt64LE(AT.handle) !== BigInt(handle)) return "invalid";
  if (bytes.readBigUInt64LE(AT.offset) !== BigInt(offset)) return "invalid";
  if (bytes.readBigUInt64LE(AT.sealLength) !== BigInt(isSeal ? offset : 0)) return "invalid";
  return {
    kind: isSeal ? "seal" : "data",
    headSize,
    handle,
    version: bytes.readUInt32LE(AT.version),
    offset,
    size,
    table: bytes.subarray(AT.table, headSize - 4),
    crc,
  };
}

const DATA_MAGIC = Buffer.from([0x53, 0x4b, 0x52, 0x44]);
assert(DATA_MAGIC.readUInt32LE() === MAGIC.data, "the same magic, as bytes to search for");

/** Index of the first place in `bytes`, which lie at file offset `position`, where a data record's head may begin; or -1. */
export function indexOfRecord(bytes: Buffer, position: number): number {
  let index = bytes.indexOf(DATA_MAGIC);
  while (index >= 0 && index + AT.offset + 4 <= bytes.length) {
    // A head names its own place: offsets in a file fit 32 bits.
    if (bytes.readUInt32LE(index + AT.offset) === position + index) return index;
    index = bytes.indexOf(DATA_MAGIC, index + 1);
  }
  return -1;
}

/** Whether `payload` holds the blocks from `firstBlock` on that `table` promises. */
export function blocksMatch(table: Uint8Array, payload: Uint8Array, firstBlock = 0): boolean {
  const view = new DataView(table.buffer, table.byteOffset, table.byteLength);
  for (let at = 0, block = firstBlock; at < payload.length; at += BLOCK_SIZE, block++) {
    if (block * 4 >= table.length) return false;
    if (Bun.hash.crc32(payload.subarray(at, at + BLOCK_SIZE)) !== view.getUint32(block * 4, true))
      return false;
  }
  return true;
}

export function encodeChunkHeader(handle: number, clusterId: string): Buffer {
  const header = Buffer.alloc(CHUNK_HEADER_SIZE);
  header.writeUInt32LE(MAGIC.chunk, CHUNK_AT.magic);
  header.writeUInt16LE(FORMAT_VERSION, CHUNK_AT.format);
  header.writeBigUInt64LE(BigInt(handle), CHUNK_AT.handle);
  header.write(clusterId, CHUNK_AT.clusterId, 16, "hex");
  header.writeUInt32LE(Bun.hash.crc32(header.subarray(0, CHUNK_AT.crc)), CHUNK_AT.crc);
  return header;
}

/** What is wrong with a chunk header, or null when it is that of `handle` in this cluster. */
export function chunkHeaderInvalid(
  header: Buffer,
  handle: number,
  clusterId: string,
): "short" | "magic" | "checksum" | "format" | "handle" | "cluster" | null {
  if (header.length < CHUNK_HEADER_SIZE) return "short";
  if (header.readUInt32LE(CHUNK_AT.magic) !== MAGIC.chunk) return "magic";
  if (header.readUInt32LE(CHUNK_AT.crc) !== Bun.hash.crc32(header.subarray(0, CHUNK_AT.crc)))
    return "checksum";
  if (header.readUInt16LE(CHUNK_AT.format) !== FORMAT_VERSION) return "format";
  if (header.readBigUInt64LE(CHUNK_AT.handle) !== BigInt(handle)) return "handle";
  if (header.toString("hex", CHUNK_AT.clusterId, CHUNK_AT.clusterId + 16) !== clusterId) return "cluster";
  return null;
}

/** A run of back-to-back records in one chunk (chunkd/FORMAT.md, "Extents"). */
export interface Extent {
  handle: number;
  /** File offset of its first record. */
  offset: number;
  /** Payload bytes of all its records. */
  length: number;
  /** CRC-32 of its record CRCs. */
  checksum: number;
}

/** Adds the next record's CRC to an extent's checksum; the first is added to 0. */
export function extendChecksum(checksum: number, recordCrc: number): number {
  const bytes = Buffer.allocUnsafe(4);
  bytes.writeUInt32LE(recordCrc);
  return Bun.hash.crc32(bytes, checksum);
}

/** File offset behind an extent's last record. */
export function extentEnd(extent: Pick<Extent, "offset" | "length">): number {
  const full = Math.floor(extent.length / RECORD_PAYLOAD_MAX);
  const rest = extent.length % RECORD_PAYLOAD_MAX;
  return extent.offset + full * FULL_RECORD_SIZE + (rest > 0 ? recordSize(rest) : 0);
}

/** The record that holds payload byte `at` of an extent. */
export function recordOf(extent: Extent, at: number): { offset: number; size: number; start: number } {
  assert(at >= 0 && at < extent.length, "the byte must lie in the extent");
  const index = Math.floor(at / RECORD_PAYLOAD_MAX);
  const start = index * RECORD_PAYLOAD_MAX;
  return {
    offset: extent.offset + index * FULL_RECORD_SIZE,
    size: Math.min(RECORD_PAYLOAD_MAX, extent.length - start),
    start,
  };
}
