// Segments and records of the journal, as masterd/FORMAT.md lays them out. Pure: no disk, no clock.
import { assert } from "../../std/assert.ts";

export const SEGMENT_HEADER_SIZE = 64;
export const RECORD_HEAD_SIZE = 32;
/** One record holds a batch; the largest command (a frame of MASTER_LIMITS) and a full batch fit. */
export const RECORD_PAYLOAD_MAX = 64 << 20;
const FORMAT_VERSION = 1;
const MAGIC = { segment: 0x534a4b53, record: 0x524a4b53 } as const;
const MAGIC_RECORD_BYTES = Buffer.from("SKJR", "latin1");

const SEGMENT_AT = { magic: 0, format: 4, first: 8, clusterId: 16, crc: 60 } as const;
const AT = { magic: 0, size: 4, first: 8, count: 16, payloadCrc: 20, reserved: 24, headCrc: 28 } as const;
assert(SEGMENT_AT.crc + 4 === SEGMENT_HEADER_SIZE, "the fields must fill the segment header");
assert(AT.headCrc + 4 === RECORD_HEAD_SIZE, "the fields must fill the record head");
assert(MAGIC_RECORD_BYTES.readUInt32LE(0) === MAGIC.record, "both forms of the magic must agree");

/** File name of the segment whose first command has sequence `first`. */
export function segmentName(first: number): string {
  return `${first.toString(16).padStart(16, "0")}.log`;
}

/** The first sequence that a segment's name tells, or undefined for a file that is no segment. */
export function segmentFirst(name: string): number | undefined {
  const match = /^([0-9a-f]{16})\.log$/.exec(name);
  const first = match ? Number.parseInt(match[1]!, 16) : 0;
  return Number.isSafeInteger(first) && first > 0 ? first : undefined;
}

export function encodeSegmentHeader(first: number, clusterId: string): Buffer {
  const header = Buffer.alloc(SEGMENT_HEADER_SIZE);
  header.writeUInt32LE(MAGIC.segment, SEGMENT_AT.magic);
  header.writeUInt16LE(FORMAT_VERSION, SEGMENT_AT.format);
  header.writeBigUInt64LE(BigInt(first), SEGMENT_AT.first);
  header.write(clusterId, SEGMENT_AT.clusterId, 16, "hex");
  header.writeUInt32LE(Bun.hash.crc32(header.subarray(0, SEGMENT_AT.crc)), SEGMENT_AT.crc);
  return header;
}

/** What is wrong with a segment's header, or null when it is that of `first` in this cluster. */
export function segmentHeaderInvalid(
  header: Buffer,
  first: number,
  clusterId: string,
): "short" | "magic" | "checksum" | "format" | "sequence" | "cluster" | null {
  if (header.length < SEGMENT_HEADER_SIZE) return "short";
  if (header.readUInt32LE(SEGMENT_AT.magic) !== MAGIC.segment) return "magic";
  if (header.readUInt32LE(SEGMENT_AT.crc) !== Bun.hash.crc32(header.subarray(0, SEGMENT_AT.crc))) {
    return "checksum";
  }
  if (header.readUInt16LE(SEGMENT_AT.format) !== FORMAT_VERSION) return "format";
  if (header.readBigUInt64LE(SEGMENT_AT.first) !== BigInt(first)) return "sequence";
  const theirs = header.toString("hex", SEGMENT_AT.clusterId, SEGMENT_AT.clusterId + 16);
  return theirs === clusterId ? null : "cluster";
}

/** One batch of commands as one record: what one write puts on disk, wholly or not at all. */
export function encodeRecord(first: number, commands: readonly Buffer[]): Buffer {
  assert(commands.length > 0, "a record holds a command at least");
  let size = 0;
  for (const command of commands) size += 4 + command.length;
  assert(size <= RECORD_PAYLOAD_MAX, "a batch must fit a record");
  const record = Buffer.allocUnsafe(RECORD_HEAD_SIZE + size);
  let at = RECORD_HEAD_SIZE;
  for (const command of commands) {
    record.writeUInt32LE(command.length, at);
    record.set(command, at + 4);
    at += 4 + command.length;
  }
  record.writeUInt32LE(MAGIC.record, AT.magic);
  record.writeUInt32LE(size, AT.size);
  record.writeBigUInt64LE(BigInt(first), AT.first);
  record.writeUInt32LE(commands.length, AT.count);
  record.writeUInt32LE(Bun.hash.crc32(record.subarray(RECORD_HEAD_SIZE)), AT.payloadCrc);
  record.writeUInt32LE(0, AT.reserved);
  record.writeUInt32LE(Bun.hash.crc32(record.subarray(0, AT.headCrc)), AT.headCrc);
  return record;
}

export interface JournalRecord {
  /** Sequence of the first command. */
  first: number;
  commands: Buffer[];
  /** Offset behind the record. */
  end: number;
}

/** Decodes the record at `at`. `"short"`: it goes on behind the end of `bytes`; `"invalid"`: it is no record. */
export function decodeRecord(bytes: Buffer, at: number): JournalRecord | "short" | "invalid" {
  if (bytes.length - at < RECORD_HEAD_SIZE) return "short";
  const head = bytes.subarray(at, at + RECORD_HEAD_SIZE);
  if (head.readUInt32LE(AT.magic) !== MAGIC.record) return "invalid";
  if (head.readUInt32LE(AT.headCrc) !== Bun.hash.crc32(head.subarray(0, AT.headCrc))) return "invalid";
  const size = head.readUInt32LE(AT.size);
  if (size > RECORD_PAYLOAD_MAX || head.readUInt32LE(AT.reserved) !== 0) return "invalid";
  const end = at + RECORD_HEAD_SIZE + size;
  if (end > bytes.length) return "short";
  const payload = bytes.subarray(at + RECORD_HEAD_SIZE, end);
  if (head.readUInt32LE(AT.payloadCrc) !== Bun.hash.crc32(payload)) return "invalid";
  const commands = splitPayload(payload, head.readUInt32LE(AT.count));
  return commands ? { first: Number(head.readBigUInt64LE(AT.first)), commands, end } : "invalid";
}

function splitPayload(payload: Buffer, count: number): Buffer[] | undefined {
  const commands: Buffer[] = [];
  let at = 0;
  while (at + 4 <= payload.length) {
    const size = payload.readUInt32LE(at);
    if (at + 4 + size > payload.length) return undefined;
    commands.push(payload.subarray(at + 4, at + 4 + size));
    at += 4 + size;
  }
  return at === payload.length && commands.length === count && count > 0 ? commands : undefined;
}

export interface ScannedSegment {
  records: JournalRecord[];
  /** Offset behind the last good record. */
  end: number;
  /** Bytes behind `end` that are no good record. */
  rest: number;
  /** Behind the bad bytes stands a good record: these bytes are damage, not the torn tail of a crash. */
  damaged: boolean;
}

/** Reads the records of a segment whose header is good; they must carry the sequences from `first` on. */
export function scanSegment(bytes: Buffer, first: number): ScannedSegment {
  const records: JournalRecord[] = [];
  let end = SEGMENT_HEADER_SIZE;
  let next = first;
  while (end < bytes.length) {
    const record = decodeRecord(bytes, end);
    if (typeof record === "string" || record.first !== next) break;
    records.push(record);
    end = record.end;
    next += record.commands.length;
  }
  const rest = bytes.length - end;
  return { records, end, rest, damaged: rest > 0 && goodRecordFollows(bytes, end, next) };
}

/**
 * Only one write is ever under way and it is one record, so a crash can spoil the last record alone. A good record
 * at or behind the bad bytes means that something acknowledged was lost.
 */
function goodRecordFollows(bytes: Buffer, from: number, next: number): boolean {
  for (let at = bytes.indexOf(MAGIC_RECORD_BYTES, from); at >= 0; ) {
    const record = decodeRecord(bytes, at);
    if (typeof record !== "string" && record.first >= next) return true;
    at = bytes.indexOf(MAGIC_RECORD_BYTES, at + 1);
  }
  return false;
}
