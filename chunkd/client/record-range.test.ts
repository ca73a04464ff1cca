import { describe, expect, test } from "bun:test";
import {
  BLOCK_SIZE,
  blockTable,
  type Extent,
  encodeRecordHead,
  extendChecksum,
  recordCrc,
  recordSize,
} from "../protocol/record.ts";
import { recordRanges, splitRange, verifiedBytes } from "./record-range.ts";
import { patterned } from "./testing/test-cluster.ts";

const MIB = 1 << 20;

describe("record ranges", () => {
  const extents: Extent[] = [
    { handle: 1, offset: 64, length: 2 * MIB + 100, checksum: 0 },
    { handle: 2, offset: 500, length: 10, checksum: 0 },
  ];

  test("cover exactly the bytes asked for, wherever they begin and end", () => {
    const borders = [0, 1, BLOCK_SIZE - 1, BLOCK_SIZE, MIB - 1, MIB, MIB + BLOCK_SIZE, 2 * MIB, 2 * MIB + 99];
    borders.push(2 * MIB + 100, 2 * MIB + 101, 2 * MIB + 110);
    for (const start of borders) {
      for (const end of borders.filter((border) => border >= start)) {
        const ranges = [...recordRanges(extents, start, end)];
        expect(ranges.reduce((sum, { from, to }) => sum + to - from, 0)).toBe(end - start);
        for (const { from, to, blockCount } of ranges) {
          expect(from).toBeLessThan(BLOCK_SIZE);
          expect(to).toBeGreaterThan((blockCount - 1) * BLOCK_SIZE);
          expect(to).toBeLessThanOrEqual(blockCount * BLOCK_SIZE);
        }
      }
    }
  });

  test("name the record and the blocks of a range inside one", () => {
    const [range] = recordRanges(extents, MIB + BLOCK_SIZE + 5, MIB + 3 * BLOCK_SIZE);
    expect(range).toEqual({
      extent: extents[0]!,
      offset: 64 + recordSize(MIB),
      size: MIB,
      firstBlock: 1,
      blockCount: 2,
      from: 5,
      to: 2 * BLOCK_SIZE,
      place: undefined,
    });
  });

  test("tell the first and last record of an extent that is read as a whole", () => {
    const places = [...recordRanges(extents, 0, 2 * MIB + 105)].map(({ place }) => place);
    expect(places).toEqual([
      { isFirst: true, isLast: false },
      { isFirst: false, isLast: false },
      { isFirst: false, isLast: true },
      undefined,
    ]);
  });
});

test("a range cut in two covers the same bytes, and only its last part counts for the extent", () => {
  const extent: Extent = { handle: 1, offset: 64, length: 5 * BLOCK_SIZE - 9, checksum: 0 };
  const [range] = recordRanges([extent], 0, extent.length);
  const [first, rest] = splitRange(range!, 2);
  expect(first).toEqual({ ...range!, blockCount: 2, to: 2 * BLOCK_SIZE, place: undefined });
  expect(rest).toEqual({ ...range!, firstBlock: 2, blockCount: 3, to: 3 * BLOCK_SIZE - 9 });
  expect(splitRange(range!, 5)).toEqual([range!]);
});

describe("verified bytes", () => {
  const payload = patterned(3 * BLOCK_SIZE - 7);
  const head = encodeRecordHead({
    handle: 1,
    version: 4,
    offset: 64,
    size: payload.length,
    table: blockTable(payload),
  });
  const checksum = extendChecksum(0, recordCrc(head));
  const extent: Extent = { handle: 1, offset: 64, length: payload.length, checksum };
  const [whole] = recordRanges([extent], 0, payload.length);
  const answer = Buffer.concat([head, payload]);

  test("are the bytes of a sound answer", () => {
    const result = verifiedBytes(whole!, [answer]);
    expect(result).toEqual({ pieces: [payload], recordCrc: recordCrc(head) });
    const [middle] = recordRanges([extent], BLOCK_SIZE + 1, BLOCK_SIZE + 4);
    const blocks = Buffer.concat([head, payload.subarray(BLOCK_SIZE, 2 * BLOCK_SIZE)]);
    expect(verifiedBytes(middle!, [blocks])).toMatchObject({
      pieces: [payload.subarray(BLOCK_SIZE + 1, BLOCK_SIZE + 4)],
    });
  });

  test("are the same however the answer was cut, and so is a flipped bit", () => {
    const bad = Buffer.from(answer);
    bad[answer.length - 1]! ^= 1;
    const cuts = [
      0,
      1,
      head.length - 1,
      head.length,
      head.length + 1,
      head.length + BLOCK_SIZE,
      answer.length,
    ];
    for (const [i, first] of cuts.entries()) {
      for (const second of cuts.slice(i)) {
        const pieces = (bytes: Buffer) => [
          bytes.subarray(0, first),
          bytes.subarray(first, second),
          bytes.subarray(second),
        ];
        const result = verifiedBytes(whole!, pieces(answer));
        if (typeof result === "string") throw new Error(result);
        expect(Buffer.concat(result.pieces).equals(payload)).toBe(true);
        expect(verifiedBytes(whole!, pieces(bad))).toBe("a block fails its checksum");
      }
    }
  });

  test("are refused for a flipped bit anywhere, in the head or in the payload", () => {
    for (let at = 0; at < answer.length; at += at < head.length ? 1 : 4099) {
      const bad = Buffer.from(answer);
      bad[at]! ^= 1 << (at % 8);
      expect(typeof verifiedBytes(whole!, [bad])).toBe("string");
    }
  });

  test("are refused for an answer too short or too long, of another chunk, offset, size or commit", () => {
    const of = (change: Partial<Extent>) => [
      ...recordRanges([{ ...extent, ...change }], 0, change.length ?? payload.length),
    ];
    expect(verifiedBytes(whole!, [answer.subarray(0, -1)])).toBe(
      "the answer does not hold the blocks asked for",
    );
    expect(verifiedBytes(whole!, [Buffer.concat([answer, Buffer.alloc(1)])])).toBe(
      "the answer does not hold the blocks asked for",
    );
    expect(verifiedBytes(whole!, [Buffer.alloc(0)])).toBe("the record's head is short");
    expect(verifiedBytes(of({ handle: 2 })[0]!, [answer])).toBe("the record's head is invalid");
    expect(verifiedBytes(of({ offset: 65 })[0]!, [answer])).toBe("the record's head is invalid");
    expect(verifiedBytes(of({ length: 10 })[0]!, [answer])).toBe("the record has another size");
    expect(verifiedBytes(of({ checksum: checksum ^ 1 })[0]!, [answer])).toBe(
      "the record is not the one that was committed",
    );
  });
});
