// Goes through the records of a chunk file in order: recovery, scrub, verification of copies, and the search for borders.
import type { DiskFile } from "../../std/disk.ts";
import {
  BLOCK_SIZE,
  blocksMatch,
  CHUNK_HEADER_SIZE,
  decodeRecordHead,
  indexOfRecord,
  RECORD_PAYLOAD_MAX,
  recordHeadSize,
} from "../protocol/record.ts";
import { FileWindow, type Pacer } from "./file-window.ts";

/** Largest head of a record, bytes. */
export const HEAD_SIZE_MAX = recordHeadSize(RECORD_PAYLOAD_MAX);
/** Bytes of the file held at once. The event loop turns each time they are used up: 2,700 tiny records at most between. */
const WINDOW_SIZE = 128 << 10;

export interface WalkOptions {
  /** False checks heads only. */
  payloads: boolean;
  /** Asked before each read of at most 128 KiB. */
  pacer?: Pacer;
}

export interface Walk {
  /** File offset behind the last good data record. */
  length: number;
  /** Version of the last good data record, 0 without any. */
  version: number;
  /** What lies at `length`: a seal with its version, the end that was asked for, or neither. */
  next: { seal: number } | "end" | "invalid";
}

/** Walks the data records of `file` from the first one up to file offset `end`, or to the first that is not whole and right. */
export async function walkRecords(
  file: DiskFile,
  handle: number,
  end: number,
  { payloads, pacer }: WalkOptions,
): Promise<Walk> {
  const window = new FileWindow(file, end, WINDOW_SIZE, pacer);
  let length = CHUNK_HEADER_SIZE;
  let version = 0;
  while (length < end) {
    // Most records are small and held already: no turn of the event loop for each.
    const bytes = window.peek(length, HEAD_SIZE_MAX) ?? (await window.at(length, HEAD_SIZE_MAX));
    const head = decodeRecordHead(bytes, handle, length);
    if (typeof head === "string") return { length, version, next: "invalid" };
    if (head.kind === "seal") return { length, version, next: { seal: head.version } };
    const { headSize, size } = head;
    if (length + headSize + size > end) return { length, version, next: "invalid" };
    const held = payloads ? window.peek(length, headSize + size) : undefined;
    const isWhole = held
      ? blocksMatch(head.table, held.subarray(headSize))
      : !payloads || (await payloadMatches(window, head.table, length + headSize, size));
    if (!isWhole) return { length, version, next: "invalid" };
    length += headSize + size;
    version = head.version;
  }
  return { length, version, next: "end" };
}

/** Block by block, so that a small window does. */
async function payloadMatches(
  window: FileWindow,
  headTable: Uint8Array,
  position: number,
  size: number,
): Promise<boolean> {
  // The window may move: take the table along.
  const table = Buffer.from(headTable);
  for (let at = 0; at < size; at += BLOCK_SIZE) {
    const wanted = Math.min(BLOCK_SIZE, size - at);
    const block = await window.at(position + at, wanted);
    if (block.length < wanted || !blocksMatch(table, block, at / BLOCK_SIZE)) return false;
  }
  return true;
}

/**
 * The end of the last whole record of `handle` that begins behind file offset `from`, where no whole record begins;
 * 0 when there is none up to `end`.
 */
export async function lastRecordBehind(
  file: DiskFile,
  handle: number,
  from: number,
  end: number,
): Promise<number> {
  const window = new FileWindow(file, end, WINDOW_SIZE);
  let last = 0;
  let position = from + 1;
  while (position < end) {
    const bytes = await window.at(position, WINDOW_SIZE - HEAD_SIZE_MAX);
    const index = indexOfRecord(bytes, position);
    if (index < 0) {
      // A head may begin in the last bytes of what was seen.
      position += Math.max(1, bytes.length - HEAD_SIZE_MAX);
      continue;
    }
    position += index;
    const head = decodeRecordHead(await window.at(position, HEAD_SIZE_MAX), handle, position);
    const isWhole =
      typeof head !== "string" &&
      head.kind === "data" &&
      (await payloadMatches(window, head.table, position + head.headSize, head.size));
    position += isWhole ? head.headSize + head.size : 1;
    if (isWhole) last = position;
  }
  return last;
}
