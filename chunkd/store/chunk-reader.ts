// Reads of stored records. Nothing leaves here that does not match its checksums (P2).
import type { DiskFile } from "../../std/disk.ts";
import type { ReadRequest } from "../protocol/messages.ts";
import {
  BLOCK_SIZE,
  blocksMatch,
  CHUNK_HEADER_SIZE,
  decodeRecordHead,
  type RecordHead,
  recordHeadSize,
  SEAL_SIZE,
} from "../protocol/record.ts";
import { readableEnd, type StoredChunk } from "./chunk.ts";
import type { ChunkStore } from "./chunk-store.ts";
import { ChunkError } from "./errors.ts";
import { HEAD_SIZE_MAX, walkRecords } from "./record-walk.ts";

/** Bytes of a chunk file in one answer to `readFile`. */
export const FILE_PIECE_SIZE = 1 << 20;
/** Of a record with one block: where blocks can begin at the earliest. */
const HEAD_SIZE_MIN = recordHeadSize(1);

type Head = RecordHead & { headSize: number };

export class ChunkReader {
  constructor(private readonly store: ChunkStore) {}

  /**
   * A record's head and some of its blocks, verified. Throws `OUT_OF_RANGE` behind the durable length or the
   * record's blocks, `BAD_REQUEST` where no record begins, `CHECKSUM` (and marks the replica) for bad bytes.
   */
  async read(request: ReadRequest): Promise<Buffer[]> {
    const chunk = this.store.find(request.handle);
    const { offset, firstBlock, blockCount } = request;
    const readable = readableEnd(chunk);
    if (offset < CHUNK_HEADER_SIZE || offset + HEAD_SIZE_MIN >= readable) throw outOfRange(chunk, offset);
    return await this.reading(chunk, async (file) => {
      // The head's size depends on the record's: read so much that the blocks are in it whatever it is.
      const covered = Math.min(readable - offset, HEAD_SIZE_MAX + (firstBlock + blockCount) * BLOCK_SIZE);
      const skipped = firstBlock === 0 ? 0 : HEAD_SIZE_MIN + firstBlock * BLOCK_SIZE;
      if (skipped >= covered) throw outOfRange(chunk, offset);
      const [first, blocks] = await Promise.all([
        readAt(file, offset, firstBlock === 0 ? covered : Math.min(HEAD_SIZE_MAX, readable - offset)),
        firstBlock === 0 ? undefined : readAt(file, offset + skipped, covered - skipped),
      ]);
      const head = await this.headOf(chunk, file, first, offset, readable);
      const from = firstBlock * BLOCK_SIZE;
      const to = Math.min(head.size, from + blockCount * BLOCK_SIZE);
      if (from >= head.size || offset + head.headSize + head.size > readableEnd(chunk))
        throw outOfRange(chunk, offset);
      const start = head.headSize + from - skipped;
      const payload = (blocks ?? first).subarray(start, start + to - from);
      if (payload.length !== to - from || !blocksMatch(head.table, payload, firstBlock)) {
        throw this.checksumFailed(chunk, `block of the record at ${offset}`, readable);
      }
      return blocks ? [first.subarray(0, head.headSize), payload] : [first.subarray(0, head.headSize + to)];
    });
  }

  /** Raw bytes of a sealed chunk's file at `position`, at most {@link FILE_PIECE_SIZE}; empty behind the end. */
  async readFile(handle: number, position: number): Promise<Buffer> {
    const chunk = this.store.find(handle);
    if (!chunk.sealed)
      throw new ChunkError("OUT_OF_RANGE", `chunk ${handle} is not sealed: it cannot be copied yet`);
    const size = Math.max(0, Math.min(FILE_PIECE_SIZE, chunk.length + SEAL_SIZE - position));
    return await this.reading(chunk, (file) => readAt(file, position, size));
  }

  /** Tells a bad head from a question about a place where no record begins: the asker may be wrong, not the disk. */
  private async headOf(
    chunk: StoredChunk,
    file: DiskFile,
    bytes: Buffer,
    offset: number,
    readable: number,
  ): Promise<Head> {
    const head = decodeRecordHead(bytes, chunk.handle, offset);
    if (typeof head !== "string" && head.kind === "data") return head;
    const walk = await walkRecords(file, chunk.handle, offset, { payloads: false });
    if (walk.next === "invalid" && walk.length < offset) {
      const spansOffset = await this.recordSpans(chunk, file, walk.length, offset);
      if (spansOffset)
        throw new ChunkError("BAD_REQUEST", `no record of chunk ${chunk.handle} begins at ${offset}`);
    }
    throw this.checksumFailed(chunk, `head of the record at ${walk.length}`, readable);
  }

  private async recordSpans(
    chunk: StoredChunk,
    file: DiskFile,
    recordAt: number,
    offset: number,
  ): Promise<boolean> {
    const bytes = await readAt(file, recordAt, Math.min(HEAD_SIZE_MAX, readableEnd(chunk) - recordAt));
    const head = decodeRecordHead(bytes, chunk.handle, recordAt);
    return typeof head !== "string" && recordAt + head.headSize + head.size > offset;
  }

  /** `readable`: the chunk's readable end when the read began. A seal may have cut it shorter under the read. */
  private checksumFailed(chunk: StoredChunk, what: string, readable: number): ChunkError {
    if (readableEnd(chunk) < readable) return outOfRange(chunk, chunk.length);
    this.store.markDamaged(chunk, `${what} fails its checksum`);
    return new ChunkError(
      "CHECKSUM",
      `chunk ${chunk.handle}: ${what} fails its checksum; ask another replica`,
    );
  }

  /** Runs `run` with the chunk's file open, as {@link ChunkStore.reading}. */
  reading<T>(chunk: StoredChunk, run: (file: DiskFile) => Promise<T>): Promise<T> {
    return this.store.reading(chunk, run);
  }
}

async function readAt(file: DiskFile, position: number, size: number): Promise<Buffer> {
  const bytes = Buffer.allocUnsafe(size);
  return bytes.subarray(0, await file.read(bytes, position));
}

function outOfRange(chunk: StoredChunk, offset: number): ChunkError {
  return new ChunkError(
    "OUT_OF_RANGE",
    `chunk ${chunk.handle} holds nothing of that at ${offset}: its durable length is ${chunk.length}`,
  );
}
