// Records as they travel to replicas: whole, back to back, so that what arrives is what goes to disk, uncopied.
import { BLOCK_SIZE, blocksMatch, decodeRecordHead, encodeRecordHead, placeRecord } from "./record.ts";

/** A record inside a run. */
export interface RunRecord {
  /** Where it begins in the first part; only a run of one record has more parts. */
  at: number;
  headSize: number;
}

export interface Run {
  parts: Buffer[];
  /** Bytes of all parts. */
  size: number;
  records: RunRecord[];
}

interface Place {
  handle: number;
  version: number;
  /** File offset of the first record; undefined when they are not placed yet. */
  offset?: number;
}

/** The head of a record whose place in its chunk is not known yet: its file offset is 0. */
export function unplacedHead(
  handle: number,
  version: number,
  payload: Uint8Array,
  table: Uint8Array,
): Buffer {
  return encodeRecordHead({ handle, version, offset: 0, size: payload.length, table });
}

/**
 * The records of `body` (one Buffer, or the pieces that it came in), every checksum verified; a reason instead unless it holds
 * nothing but data records of that chunk and version.
 */
export function readRun(body: Buffer | Buffer[], place: Place): Run | string {
  if (!Array.isArray(body)) return readWhole(body, place);
  if (body.length <= 1) return readWhole(body[0] ?? Buffer.alloc(0), place);
  const size = body.reduce((sum, piece) => sum + piece.length, 0);
  const [first] = body as [Buffer];
  const head = decodeRecordHead(first, place.handle, place.offset ?? 0);
  const isOne = typeof head !== "string" && head.kind === "data" && head.headSize + head.size === size;
  if (!isOne || head.version !== place.version) return readWhole(Buffer.concat(body), place);
  const { headSize } = head;
  if (!piecesMatch(head.table, [first.subarray(headSize), ...body.slice(1)])) return damagedAt(0);
  return { parts: body, size, records: [{ at: 0, headSize }] };
}

function readWhole(bytes: Buffer, { handle, version, offset }: Place): Run | string {
  const records: RunRecord[] = [];
  for (let at = 0; at < bytes.length; ) {
    const head = decodeRecordHead(bytes.subarray(at), handle, offset === undefined ? 0 : offset + at);
    if (typeof head === "string" || head.kind !== "data" || head.version !== version) {
      return `no record of this chunk and version begins at byte ${at}`;
    }
    const end = at + head.headSize + head.size;
    if (end > bytes.length) return `the record at byte ${at} is cut short`;
    if (!blocksMatch(head.table, bytes.subarray(at + head.headSize, end))) return damagedAt(at);
    records.push({ at, headSize: head.headSize });
    at = end;
  }
  return { parts: [bytes], size: bytes.length, records };
}

function damagedAt(at: number): string {
  return `the record at byte ${at} fails its checksum`;
}

/** Moves the records of a run to file `offset`; returns their CRCs there, 4 bytes each, little-endian. */
export function placeRun({ parts, records }: Run, offset: number): Buffer {
  const crcs = Buffer.allocUnsafe(4 * records.length);
  for (const [i, { at, headSize }] of records.entries()) {
    crcs.writeUInt32LE(placeRecord(parts[0]!, at, headSize, offset + at), 4 * i);
  }
  return crcs;
}

/** Whether `pieces`, one after another, hold the blocks from `firstBlock` on that `table` promises. */
export function piecesMatch(table: Uint8Array, pieces: readonly Buffer[], firstBlock = 0): boolean {
  if (pieces.length === 1) return blocksMatch(table, pieces[0]!, firstBlock);
  const promised = new DataView(table.buffer, table.byteOffset, table.byteLength);
  let block = firstBlock;
  let filled = 0;
  let crc = 0;
  for (const piece of pieces) {
    for (let at = 0; at < piece.length; ) {
      if (block * 4 >= table.length) return false;
      const part = piece.subarray(at, at + BLOCK_SIZE - filled);
      crc = Bun.hash.crc32(part, crc);
      at += part.length;
      filled += part.length;
      if (filled < BLOCK_SIZE) continue;
      if (crc !== promised.getUint32(4 * block++, true)) return false;
      filled = 0;
      crc = 0;
    }
  }
  return filled === 0 || crc === promised.getUint32(4 * block, true);
}
