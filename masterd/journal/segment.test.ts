import { describe, expect, test } from "bun:test";
import {
  decodeRecord,
  encodeRecord,
  encodeSegmentHeader,
  RECORD_HEAD_SIZE,
  SEGMENT_HEADER_SIZE,
  scanSegment,
  segmentFirst,
  segmentHeaderInvalid,
  segmentName,
} from "./segment.ts";

const CLUSTER = "00112233445566778899aabbccddeeff";
const commands = (...texts: string[]): Buffer[] => texts.map((text) => Buffer.from(text));
const texts = (record: { commands: Buffer[] }): string[] => record.commands.map(String);

describe("a journal record", () => {
  test("has the bytes that FORMAT.md says", () => {
    const record = encodeRecord(258, commands("ab", "c"));
    expect(record.subarray(0, 20).toString("hex")).toBe(
      "534b4a52" + "0b000000" + "0201000000000000" + "02000000",
    );
    expect(record.subarray(RECORD_HEAD_SIZE).toString("hex")).toBe("02000000" + "6162" + "01000000" + "63");
    expect(record.readUInt32LE(20)).toBe(Bun.hash.crc32(record.subarray(RECORD_HEAD_SIZE)));
    expect(record.readUInt32LE(28)).toBe(Bun.hash.crc32(record.subarray(0, 28)));
  });

  test("comes back as it was, from any offset", () => {
    const record = encodeRecord(7, commands("one", "", "three"));
    const bytes = Buffer.concat([Buffer.alloc(5), record, Buffer.alloc(9)]);
    const decoded = decodeRecord(bytes, 5);
    if (typeof decoded === "string") throw new Error(decoded);
    expect({ first: decoded.first, texts: texts(decoded), end: decoded.end }).toEqual({
      first: 7,
      texts: ["one", "", "three"],
      end: 5 + record.length,
    });
  });

  test("is refused with any one bit flipped", () => {
    const record = encodeRecord(7, commands("one", "two"));
    for (let bit = 0; bit < record.length * 8; bit++) {
      const bytes = Buffer.from(record);
      bytes[bit >> 3]! ^= 1 << (bit & 7);
      expect(typeof decodeRecord(bytes, 0)).toBe("string");
    }
  });

  test("is short wherever it is cut", () => {
    const record = encodeRecord(7, commands("one", "two"));
    for (let size = 0; size < record.length; size++) {
      expect(decodeRecord(record.subarray(0, size), 0)).toBe("short");
    }
  });
});

describe("a segment", () => {
  const header = encodeSegmentHeader(5, CLUSTER);
  const records = [
    encodeRecord(5, commands("a", "b")),
    encodeRecord(7, commands("c")),
    encodeRecord(8, commands("d")),
  ];
  const whole = Buffer.concat([header, ...records]);

  test("is named by its first sequence", () => {
    expect(segmentName(255)).toBe("00000000000000ff.log");
    expect(segmentFirst("00000000000000ff.log")).toBe(255);
    for (const name of [
      "reserve",
      "00000000000000ff.log.new",
      "00000000000000FF.log",
      "0000000000000000.log",
    ]) {
      expect(segmentFirst(name)).toBeUndefined();
    }
  });

  test("tells what is wrong with its header", () => {
    expect(segmentHeaderInvalid(header, 5, CLUSTER)).toBeNull();
    expect(segmentHeaderInvalid(header, 6, CLUSTER)).toBe("sequence");
    expect(segmentHeaderInvalid(header, 5, "f".repeat(32))).toBe("cluster");
    expect(segmentHeaderInvalid(header.subarray(0, 63), 5, CLUSTER)).toBe("short");
    for (let bit = 0; bit < SEGMENT_HEADER_SIZE * 8; bit++) {
      const bytes = Buffer.from(header);
      bytes[bit >> 3]! ^= 1 << (bit & 7);
      expect(segmentHeaderInvalid(bytes, 5, CLUSTER)).not.toBeNull();
    }
  });

  test("gives the whole records before a tail that is torn at any byte, and calls none of it damage", () => {
    const ends = [SEGMENT_HEADER_SIZE];
    for (const record of records) ends.push(ends.at(-1)! + record.length);
    for (let size = SEGMENT_HEADER_SIZE; size <= whole.length; size++) {
      const scan = scanSegment(whole.subarray(0, size), 5);
      const end = ends.findLast((at) => at <= size)!;
      expect({ end: scan.end, rest: scan.rest, damaged: scan.damaged }).toEqual({
        end,
        rest: size - end,
        damaged: false,
      });
    }
  });

  test("calls a last record that reached the disk in part a torn tail", () => {
    const bytes = Buffer.from(whole);
    bytes.fill(0, whole.length - 3);
    expect(scanSegment(bytes, 5)).toMatchObject({ rest: records[2]!.length, damaged: false });
  });

  test("calls any flipped bit in front of a good record damage", () => {
    for (let at = SEGMENT_HEADER_SIZE; at < whole.length - records[2]!.length; at++) {
      const bytes = Buffer.from(whole);
      bytes[at]! ^= 0x10;
      expect(scanSegment(bytes, 5).damaged).toBe(true);
    }
  });

  test("does not take a record of other sequences for the next one", () => {
    const skipped = Buffer.concat([header, records[0]!, records[2]!]);
    expect(scanSegment(skipped, 5)).toMatchObject({
      damaged: true,
      end: SEGMENT_HEADER_SIZE + records[0]!.length,
    });
    const repeated = Buffer.concat([header, records[0]!, records[0]!]);
    expect(scanSegment(repeated, 5)).toMatchObject({ damaged: false, rest: records[0]!.length });
  });
});
