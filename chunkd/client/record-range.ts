import { assert } from "../../std/assert.ts";
import {
  BLOCK_SIZE,
  decodeRecordHead,
  type Extent,
  extendChecksum,
  RECORD_PAYLOAD_MAX,
  recordHeadSize,
  recordOf,
} from "../protocol/record.ts";
import { piecesMatch } from "../protocol/record-run.ts";

/** The part of one record that a read wants, and the blocks that cover it. */
export interface RecordRange {
  extent: Extent;
  /** File offset of the record. */
  offset: number;
  /** Payload bytes of the record. */
  size: number;
  firstBlock: number;
  blockCount: number;
  /** The wanted bytes inside those blocks: [from, to). */
  from: number;
  to: number;
  /** The record's place, when the read wants the whole extent. */
  place?: { isFirst: boolean; isLast: boolean };
}

export function totalLength(extents: readonly Extent[]): number {
  return extents.reduce((sum, extent) => sum + extent.length, 0);
}

/** The records that hold the bytes [start, end) of `extents` taken together, in order. */
export function* recordRanges(
  extents: readonly Extent[],
  start: number,
  end: number,
): Generator<RecordRange, void, undefined> {
  let extentStart = 0;
  for (const extent of extents) {
    const first = Math.max(0, start - extentStart);
    const last = Math.min(extent.length, end - extentStart);
    const isWhole = first === 0 && last === extent.length;
    for (let at = first; at < last; ) {
      const record = recordOf(extent, at);
      const until = Math.min(last, record.start + record.size);
      yield {
        ...blocksOf(extent, record, at, until),
        place: isWhole ? placeOf(extent, at, until) : undefined,
      };
      at = until;
    }
    extentStart += extent.length;
  }
}

/** Cuts a range in two behind `blocksMax` blocks; the second is undefined when it has no more than that. */
export function splitRange(range: RecordRange, blocksMax: number): [RecordRange, RecordRange?] {
  if (range.blockCount <= blocksMax) return [range];
  const cut = blocksMax * BLOCK_SIZE;
  // The record counts for its extent once, with its last part.
  const first = { ...range, blockCount: blocksMax, to: cut, place: undefined };
  const rest = {
    ...range,
    firstBlock: range.firstBlock + blocksMax,
    blockCount: range.blockCount - blocksMax,
    from: 0,
    to: range.to - cut,
  };
  return [first, rest];
}

function blocksOf(
  extent: Extent,
  record: { offset: number; size: number; start: number },
  at: number,
  until: number,
): RecordRange {
  const firstBlock = Math.floor((at - record.start) / BLOCK_SIZE);
  const blockCount = Math.ceil((until - record.start) / BLOCK_SIZE) - firstBlock;
  assert(blockCount > 0, "a range of no bytes has no record");
  const blocksStart = record.start + firstBlock * BLOCK_SIZE;
  return {
    extent,
    offset: record.offset,
    size: record.size,
    firstBlock,
    blockCount,
    from: at - blocksStart,
    to: until - blocksStart,
  };
}

function placeOf(extent: Extent, at: number, until: number): { isFirst: boolean; isLast: boolean } {
  return { isFirst: at === 0, isLast: until === extent.length };
}

/**
 * The wanted bytes out of a chunkserver's answer (the record's head, then the blocks asked for, cut into pieces anyhow),
 * and the record's CRC; a reason instead when the answer is not that record of that chunk, byte for byte. No byte is copied.
 */
export function verifiedBytes(
  range: RecordRange,
  answer: readonly Buffer[],
): { pieces: Buffer[]; recordCrc: number } | string {
  const first = answer[0] ?? Buffer.alloc(0);
  const headSize = recordHeadSize(range.size);
  // Only a stream that dribbles cuts a head in two.
  if (first.length < headSize && answer.length > 1) return verifiedBytes(range, [Buffer.concat(answer)]);
  const head = decodeRecordHead(first, range.extent.handle, range.offset);
  if (head === "short" || head === "invalid") return `the record's head is ${head}`;
  if (head.kind !== "data" || head.size !== range.size) return "the record has another size";
  const blocks = first.length === headSize ? answer.slice(1) : [first.subarray(headSize), ...answer.slice(1)];
  const blocksStart = range.firstBlock * BLOCK_SIZE;
  const blocksEnd = Math.min(range.size, blocksStart + range.blockCount * BLOCK_SIZE);
  const length = blocks.reduce((sum, piece) => sum + piece.length, 0);
  if (length !== blocksEnd - blocksStart) return "the answer does not hold the blocks asked for";
  // The extent's checksum of a single record is known before any byte is given out; of several, only at the end.
  const isSingle = range.extent.length <= RECORD_PAYLOAD_MAX;
  if (isSingle && extendChecksum(0, head.crc) !== range.extent.checksum) {
    return "the record is not the one that was committed";
  }
  if (!piecesMatch(head.table, blocks, range.firstBlock)) return "a block fails its checksum";
  return { pieces: cut(blocks, range.from, range.to), recordCrc: head.crc };
}

/** The bytes [from, to) of `pieces` taken together. */
function cut(pieces: readonly Buffer[], from: number, to: number): Buffer[] {
  const wanted: Buffer[] = [];
  let start = 0;
  for (const piece of pieces) {
    const part = piece.subarray(Math.max(0, from - start), Math.max(0, to - start));
    if (part.length > 0) wanted.push(part);
    start += piece.length;
  }
  return wanted;
}
