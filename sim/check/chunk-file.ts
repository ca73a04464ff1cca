// A reader of chunk files, written from chunkd/FORMAT.md alone.

const BLOCK = 65536;
const PAYLOAD_MAX = 1048576;
const FILE_MAX = 67108864;
const SEAL_BYTES = 44;

const crc = (bytes: Uint8Array): number => Bun.hash.crc32(bytes);

export interface ParsedRecord {
  offset: number;
  version: number;
  size: number;
  /** The record's own CRC, which covers its head. */
  headCrc: number;
  payloadAt: number;
}

export interface ParsedChunk {
  handle: number;
  clusterId: string;
  records: ParsedRecord[];
  /** File offset behind the last good record. */
  length: number;
  /** Version of a good seal right behind the records and at the end of the file. */
  seal: number | undefined;
  /** What is wrong, from the first bad byte on; undefined when every byte is accounted for. */
  problem: string | undefined;
}

/** Reads all of `file`; never throws, whatever is in it. Undefined when not even the header is good. */
export function parseChunk(file: Buffer): ParsedChunk | undefined {
  if (file.length < 64 || file.length > FILE_MAX) return undefined;
  if (file.toString("latin1", 0, 4) !== "SKCH" || file.readUInt16LE(4) !== 1) return undefined;
  if (crc(file.subarray(0, 60)) !== file.readUInt32LE(60)) return undefined;
  const handle = Number(file.readBigUInt64LE(8));
  const clusterId = file.toString("hex", 16, 32);
  const chunk: ParsedChunk = {
    handle,
    clusterId,
    records: [],
    length: 64,
    seal: undefined,
    problem: undefined,
  };
  while (chunk.length < file.length) {
    const at = chunk.length;
    const found = parseRecord(file, at, handle);
    if (typeof found === "string") {
      chunk.problem = `at ${at}: ${found}`;
      return chunk;
    }
    if (found.size === 0) {
      if (at + SEAL_BYTES !== file.length) chunk.problem = `at ${at}: a seal that is not the end of the file`;
      else chunk.seal = found.version;
      return chunk;
    }
    chunk.records.push(found);
    chunk.length = found.payloadAt + found.size;
  }
  return chunk;
}

/** The record at `at`, its payload verified; a seal has the size 0. */
function parseRecord(file: Buffer, at: number, handle: number): ParsedRecord | string {
  if (at + SEAL_BYTES > file.length) return "fewer bytes than a record has";
  const magic = file.toString("latin1", at, at + 4);
  if (magic !== "SKRD" && magic !== "SKSL") return "no record's magic";
  const size = file.readUInt32LE(at + 24);
  const blocks = file.readUInt32LE(at + 28);
  if (size > PAYLOAD_MAX || blocks !== Math.ceil(size / BLOCK)) return "sizes that do not fit";
  if ((magic === "SKSL") !== (size === 0)) return "a seal with a payload, or data without one";
  const headCrcAt = at + 40 + 4 * blocks;
  const payloadAt = headCrcAt + 4;
  if (payloadAt + size > file.length) return "a record that goes on behind the end";
  const headCrc = file.readUInt32LE(headCrcAt);
  if (headCrc !== crc(file.subarray(at, headCrcAt))) return "a record CRC that fails";
  if (Number(file.readBigUInt64LE(at + 8)) !== handle) return "another chunk's record";
  if (Number(file.readBigUInt64LE(at + 16)) !== at) return "a record of another place";
  if (Number(file.readBigUInt64LE(at + 32)) !== (size === 0 ? at : 0)) return "a seal of another length";
  for (let block = 0; block < blocks; block++) {
    const from = payloadAt + block * BLOCK;
    const bytes = file.subarray(from, Math.min(from + BLOCK, payloadAt + size));
    if (crc(bytes) !== file.readUInt32LE(at + 40 + 4 * block)) return `block ${block} fails its CRC`;
  }
  return { offset: at, version: file.readUInt32LE(at + 4), size, headCrc, payloadAt };
}

export interface ExtentPlace {
  offset: number;
  length: number;
  checksum: number;
}

/** The payload of an extent, or what is wrong with it. */
export function extentBytes(file: Buffer, chunk: ParsedChunk, extent: ExtentPlace): Buffer | string {
  let index = chunk.records.findIndex(({ offset }) => offset === extent.offset);
  if (index < 0) return `no record begins at ${extent.offset}`;
  const payloads: Buffer[] = [];
  let checksum = 0;
  let left = extent.length;
  while (left > 0) {
    const record = chunk.records[index++];
    if (!record) return `the chunk ends ${left} bytes before the extent does`;
    if (record.size > left || (record.size < left && record.size !== PAYLOAD_MAX)) {
      return `the record at ${record.offset} has ${record.size} bytes, where the extent has ${left} left`;
    }
    payloads.push(file.subarray(record.payloadAt, record.payloadAt + record.size));
    const bytes = Buffer.alloc(4);
    bytes.writeUInt32LE(record.headCrc);
    checksum = Bun.hash.crc32(bytes, checksum);
    left -= record.size;
  }
  return checksum === extent.checksum ? Buffer.concat(payloads) : "the extent's checksum fails";
}
