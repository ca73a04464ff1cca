import { describe, expect, test } from "bun:test";
import {
  BLOCK_SIZE,
  blocksMatch,
  blockTable,
  CHUNK_HEADER_SIZE,
  CHUNK_SIZE_MAX,
  chunkHeaderInvalid,
  decodeRecordHead,
  encodeChunkHeader,
  encodeRecordHead,
  encodeSeal,
  extendChecksum,
  extentEnd,
  HANDLE_MAX,
  payloadRoom,
  RECORD_PAYLOAD_MAX,
  recordCrc,
  recordHeadSize,
  recordOf,
  recordSize,
  SEAL_SIZE,
} from "./record.ts";

const CLUSTER = "0123456789abcdef0123456789abcdef";

function headOf(payload: Buffer, handle = 0x1234, version = 7, offset = 64): Buffer {
  return encodeRecordHead({ handle, version, offset, size: payload.length, table: blockTable(payload) });
}

function flipped(bytes: Buffer, bit: number): Buffer {
  const copy = Buffer.from(bytes);
  copy[bit >> 3]! ^= 1 << (bit & 7);
  return copy;
}

describe("a record's head", () => {
  test("has the bytes that chunkd/FORMAT.md lays out", () => {
    // CRC-32 of "hello" is 0x3610a686.
    expect(headOf(Buffer.from("hello")).toString("hex")).toBe(
      [
        "534b5244", // SKRD
        "07000000",
        "3412000000000000",
        "4000000000000000",
        "05000000",
        "01000000",
        "0000000000000000",
        "86a61036",
        "fa9d8cc8",
      ].join(""),
    );
  });

  test.each([1, BLOCK_SIZE - 1, BLOCK_SIZE, BLOCK_SIZE + 1, RECORD_PAYLOAD_MAX])(
    "of a payload of %d bytes comes back as it went in",
    (size) => {
      const payload = Buffer.alloc(size, 0xa5);
      const head = headOf(payload, HANDLE_MAX, 0xffff_ffff, 4096);
      const decoded = decodeRecordHead(Buffer.concat([head, payload]), HANDLE_MAX, 4096);
      expect(decoded).toEqual({
        kind: "data",
        headSize: recordHeadSize(size),
        handle: HANDLE_MAX,
        version: 0xffff_ffff,
        offset: 4096,
        size,
        table: blockTable(payload),
        crc: recordCrc(head),
      });
    },
  );

  test("is short, never valid or invalid, until its last byte has come", () => {
    const head = headOf(Buffer.alloc(3 * BLOCK_SIZE, 1));
    for (let size = 0; size < head.length; size++) {
      expect(decodeRecordHead(head.subarray(0, size), 0x1234, 64)).toBe("short");
    }
    expect(decodeRecordHead(head, 0x1234, 64)).toMatchObject({ kind: "data" });
  });

  test("is rejected with any single bit flipped", () => {
    const head = headOf(Buffer.alloc(2 * BLOCK_SIZE, 1));
    for (let bit = 0; bit < head.length * 8; bit++) {
      expect(typeof decodeRecordHead(flipped(head, bit), 0x1234, 64)).toBe("string");
    }
  });

  test("is rejected in the place of another chunk or offset", () => {
    const head = headOf(Buffer.from("x"));
    expect(decodeRecordHead(head, 0x1235, 64)).toBe("invalid");
    expect(decodeRecordHead(head, 0x1234, 65)).toBe("invalid");
  });

  test("over the limits is refused", () => {
    const table = new Uint8Array(4 * 17);
    const record = { handle: 1, version: 1, offset: 64, table };
    expect(() => encodeRecordHead({ ...record, size: RECORD_PAYLOAD_MAX + 1 })).toThrow("1 byte to 1 MiB");
    expect(() => encodeRecordHead({ ...record, size: 0 })).toThrow("1 byte to 1 MiB");
    expect(() => encodeRecordHead({ ...record, size: 1 })).toThrow("an entry a block");
  });
});

describe("a seal", () => {
  test("has the bytes that chunkd/FORMAT.md lays out", () => {
    expect(encodeSeal(0x1234, 8, 117).toString("hex")).toBe(
      [
        "534b534c", // SKSL
        "08000000",
        "3412000000000000",
        "7500000000000000",
        "00000000",
        "00000000",
        "7500000000000000",
        "6f9aa68a",
      ].join(""),
    );
  });

  test("comes back as it went in, and only at the offset that it names", () => {
    const seal = encodeSeal(5, 3, 117);
    expect(seal.length).toBe(SEAL_SIZE);
    expect(decodeRecordHead(seal, 5, 117)).toMatchObject({ kind: "seal", version: 3, offset: 117, size: 0 });
    expect(decodeRecordHead(seal, 5, 118)).toBe("invalid");
  });

  test("is rejected with any single bit flipped", () => {
    const seal = encodeSeal(5, 3, 117);
    for (let bit = 0; bit < seal.length * 8; bit++) {
      expect(typeof decodeRecordHead(flipped(seal, bit), 5, 117)).toBe("string");
    }
  });
});

describe("a payload's blocks", () => {
  test("match their table alone and together, from any block on", () => {
    const payload = Buffer.concat([
      Buffer.alloc(BLOCK_SIZE, 1),
      Buffer.alloc(BLOCK_SIZE, 2),
      Buffer.from("tail"),
    ]);
    const table = blockTable(payload);
    expect(table.length).toBe(12);
    expect(blocksMatch(table, payload)).toBe(true);
    expect(blocksMatch(table, payload.subarray(BLOCK_SIZE), 1)).toBe(true);
    expect(blocksMatch(table, payload.subarray(BLOCK_SIZE, 2 * BLOCK_SIZE), 0)).toBe(false);
  });

  test("do not match with a bit flipped, or with more blocks than the table has", () => {
    const payload = Buffer.from("some bytes");
    const table = blockTable(payload);
    for (let bit = 0; bit < payload.length * 8; bit++) {
      expect(blocksMatch(table, flipped(payload, bit))).toBe(false);
    }
    expect(blocksMatch(table, payload, 1)).toBe(false);
  });
});

describe("a chunk header", () => {
  test("comes back for its own chunk and cluster only", () => {
    const header = encodeChunkHeader(0xabc, CLUSTER);
    expect(header.length).toBe(CHUNK_HEADER_SIZE);
    expect(header.toString("hex", 0, 32)).toBe(`534b434801000000bc0a000000000000${CLUSTER}`);
    expect(chunkHeaderInvalid(header, 0xabc, CLUSTER)).toBeNull();
    expect(chunkHeaderInvalid(header, 0xabd, CLUSTER)).toBe("handle");
    expect(chunkHeaderInvalid(header, 0xabc, "f".repeat(32))).toBe("cluster");
    expect(chunkHeaderInvalid(header.subarray(0, 63), 0xabc, CLUSTER)).toBe("short");
  });

  test("is rejected with any single bit flipped", () => {
    const header = encodeChunkHeader(0xabc, CLUSTER);
    for (let bit = 0; bit < header.length * 8; bit++) {
      expect(chunkHeaderInvalid(flipped(header, bit), 0xabc, CLUSTER)).toMatch(/^(magic|checksum)$/);
    }
  });

  test("of a newer format is told from a damaged one", () => {
    const header = encodeChunkHeader(1, CLUSTER);
    header.writeUInt16LE(2, 4);
    header.writeUInt32LE(Bun.hash.crc32(header.subarray(0, 60)), 60);
    expect(chunkHeaderInvalid(header, 1, CLUSTER)).toBe("format");
  });
});

describe("extents", () => {
  test("end behind their last record", () => {
    const length = 2 * RECORD_PAYLOAD_MAX + 5;
    const extent = { handle: 1, offset: 100, length, checksum: 0 };
    expect(extentEnd(extent)).toBe(100 + 2 * recordSize(RECORD_PAYLOAD_MAX) + recordSize(5));
    expect(extentEnd({ ...extent, length: RECORD_PAYLOAD_MAX })).toBe(100 + recordSize(RECORD_PAYLOAD_MAX));
  });

  test("tell the record of any byte", () => {
    const extent = { handle: 1, offset: 100, length: RECORD_PAYLOAD_MAX + 5, checksum: 0 };
    expect(recordOf(extent, 0)).toEqual({ offset: 100, size: RECORD_PAYLOAD_MAX, start: 0 });
    expect(recordOf(extent, RECORD_PAYLOAD_MAX - 1).start).toBe(0);
    expect(recordOf(extent, RECORD_PAYLOAD_MAX)).toEqual({
      offset: 100 + recordSize(RECORD_PAYLOAD_MAX),
      size: 5,
      start: RECORD_PAYLOAD_MAX,
    });
  });

  test("have a checksum that depends on the order of their records", () => {
    expect(extendChecksum(extendChecksum(0, 1), 2)).not.toBe(extendChecksum(extendChecksum(0, 2), 1));
    const both = Buffer.alloc(8);
    both.writeUInt32LE(1, 0);
    both.writeUInt32LE(2, 4);
    expect(extendChecksum(extendChecksum(0, 1), 2)).toBe(Bun.hash.crc32(both));
  });
});

test("the room of a chunk is all that fits in front of the seal, and not a byte more", () => {
  for (const length of [
    CHUNK_HEADER_SIZE,
    1_000_000,
    CHUNK_SIZE_MAX - SEAL_SIZE - recordSize(1),
    CHUNK_SIZE_MAX - 60,
  ]) {
    const room = payloadRoom(length);
    const used = (payload: number): number => {
      const rest = payload % RECORD_PAYLOAD_MAX;
      const full = Math.floor(payload / RECORD_PAYLOAD_MAX) * recordSize(RECORD_PAYLOAD_MAX);
      return length + full + (rest > 0 ? recordSize(rest) : 0);
    };
    expect(used(room)).toBeLessThanOrEqual(CHUNK_SIZE_MAX - SEAL_SIZE);
    // A block more of table may not fit: within that the room is exact.
    expect(used(room + 5)).toBeGreaterThan(CHUNK_SIZE_MAX - SEAL_SIZE);
  }
});
