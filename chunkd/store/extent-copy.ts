// Extents of one chunk as records of another (chunkd/FORMAT.md, "Compaction").
import type { DiskFile } from "../../std/disk.ts";
import {
  BLOCK_SIZE,
  blocksMatch,
  CHUNK_HEADER_SIZE,
  decodeRecordHead,
  encodeChunkHeader,
  encodeRecordHead,
  encodeSeal,
  extendChecksum,
  extentEnd,
  RECORD_PAYLOAD_MAX,
  type RecordHead,
  recordCrc,
  SEAL_SIZE,
} from "../protocol/record.ts";
import { ChunkError } from "./errors.ts";
import { FileWindow } from "./file-window.ts";
import { HEAD_SIZE_MAX } from "./record-walk.ts";

/** Bytes of the source held at once. The event loop turns each time they are used up: 2,700 tiny records at most between. */
const WINDOW_SIZE = 128 << 10;
/** Bytes of the target gathered for one write. */
const OUTPUT_SIZE = 1 << 20;

/** A place in the source: file offset, and payload bytes. */
export interface Place {
  offset: number;
  length: number;
}

export interface ExtentCopy {
  source: number;
  sourceLength: number;
  /** In ascending order, none over another. */
  places: readonly Place[];
  target: number;
  version: number;
  clusterId: string;
}

/** Takes the target's bytes in order. */
export type Output = (bytes: Uint8Array, position: number) => Promise<void>;

/** File offset behind the last record of a chunk made of `places`. */
export function copiedLength(places: readonly Place[]): number {
  let length = CHUNK_HEADER_SIZE;
  for (const place of places) length += extentEnd(place) - place.offset;
  return length;
}

/** The source's bytes at file offset `at` are no record, or not the one that an extent says. */
export class BadSource extends Error {
  constructor(
    readonly at: number,
    /** It is whole and right, but of another size: it is the extent that is wrong. */
    readonly isRecord: boolean,
  ) {
    super(`no such record at ${at}`);
  }
}

/**
 * Reads the places' records from `file`, verifies them, and puts the target's file out. Returns for each place u32 new
 * file offset and u32 checksum. Throws {@link BadSource}.
 */
export async function copyExtents(file: DiskFile, copy: ExtentCopy, output: Output): Promise<Buffer> {
  const { source, sourceLength, target, version, places, clusterId } = copy;
  const window = new FileWindow(file, sourceLength, WINDOW_SIZE);
  const gathered = new Gathered(output);
  const answer = Buffer.allocUnsafe(8 * places.length);
  await gathered.put(encodeChunkHeader(target, clusterId));
  for (const [index, place] of places.entries()) {
    answer.writeUInt32LE(gathered.position, index * 8);
    let checksum = 0;
    let at = place.offset;
    for (let left = place.length; left > 0; left -= RECORD_PAYLOAD_MAX) {
      // Most records are small and held already: no turn of the event loop for each.
      const bytes = window.peek(at, HEAD_SIZE_MAX) ?? (await window.at(at, HEAD_SIZE_MAX));
      const head = headIn(bytes, source, at, Math.min(left, RECORD_PAYLOAD_MAX));
      const moved = encodeRecordHead({ ...head, handle: target, version, offset: gathered.position });
      checksum = extendChecksum(checksum, recordCrc(moved));
      if (gathered.takes(moved)) gathered.add(moved);
      else await gathered.put(moved);
      const held = window.peek(at + head.headSize, head.size);
      if (held && gathered.takes(held)) {
        if (!blocksMatch(head.table, held)) throw new BadSource(at, false);
        gathered.add(held);
      } else {
        await copyPayload(window, head, at, gathered);
      }
      at += head.headSize + head.size;
    }
    answer.writeUInt32LE(checksum, index * 8 + 4);
  }
  await gathered.put(encodeSeal(target, version, gathered.position));
  await gathered.flush();
  return answer;
}

type Head = RecordHead & { headSize: number };

/** With a table of its own: the window may move. */
function headIn(bytes: Buffer, handle: number, at: number, size: number): Head {
  const head = decodeRecordHead(bytes, handle, at);
  if (typeof head === "string" || head.kind !== "data") throw new BadSource(at, false);
  if (head.size !== size) throw new BadSource(at, true);
  return { ...head, table: Buffer.from(head.table) };
}

async function copyPayload(window: FileWindow, head: Head, at: number, gathered: Gathered): Promise<void> {
  for (let done = 0; done < head.size; done += BLOCK_SIZE) {
    const size = Math.min(BLOCK_SIZE, head.size - done);
    const block = await window.at(at + head.headSize + done, size);
    if (block.length < size || !blocksMatch(head.table, block, done / BLOCK_SIZE)) {
      throw new BadSource(at, false);
    }
    if (gathered.takes(block)) gathered.add(block);
    else await gathered.put(block);
  }
}

/** Gathers small parts for few large writes. */
class Gathered {
  private readonly buffer = Buffer.allocUnsafe(OUTPUT_SIZE);
  private filled = 0;
  /** File offset of the buffer's start. */
  private start = 0;

  constructor(private readonly output: Output) {}

  /** File offset of the next byte. */
  get position(): number {
    return this.start + this.filled;
  }

  takes(bytes: Uint8Array): boolean {
    return this.filled + bytes.length <= OUTPUT_SIZE;
  }

  /** Only what it {@link takes}. */
  add(bytes: Uint8Array): void {
    this.buffer.set(bytes, this.filled);
    this.filled += bytes.length;
  }

  /** At most a block: `bytes` may be overwritten once it has resolved. */
  async put(bytes: Uint8Array): Promise<void> {
    if (!this.takes(bytes)) await this.flush();
    this.add(bytes);
  }

  async flush(): Promise<void> {
    await this.output(this.buffer.subarray(0, this.filled), this.start);
    this.start += this.filled;
    this.filled = 0;
  }
}

/** An output that compares with the file that is there already. Throws `BAD_REQUEST` when it has anything else. */
export function comparingOutput(file: DiskFile, { target, source }: ExtentCopy, length: number): Output {
  return async (bytes, position) => {
    const present = Buffer.allocUnsafe(bytes.length);
    const read = await file.read(present, position);
    if (read === bytes.length && present.equals(bytes)) return;
    throw new ChunkError(
      "BAD_REQUEST",
      `chunk ${target} is here with ${length + SEAL_SIZE} bytes, and is not made of those extents of chunk ${source}`,
    );
  };
}
