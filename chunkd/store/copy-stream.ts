// Verifies a chunk file while its bytes arrive in order, so that a bad source is given up early.
import {
  BLOCK_SIZE,
  blocksMatch,
  CHUNK_HEADER_SIZE,
  chunkHeaderInvalid,
  decodeRecordHead,
} from "../protocol/record.ts";
import { ChunkError } from "./errors.ts";

interface Payload {
  table: Buffer;
  size: number;
  /** Bytes of it that were verified. */
  done: number;
}

export class CopyStream {
  /** Bytes that arrived and are no whole header, head or block yet. */
  private rest: Buffer = Buffer.alloc(0);
  /** File offset of `rest`: everything before it was verified. */
  private position = 0;
  private payload: Payload | undefined;
  private ended = false;

  constructor(private readonly expected: { handle: number; length: number; clusterId: string }) {}

  /** File offset behind what was verified. */
  get verified(): number {
    return this.position;
  }

  /** Forgets what came behind the verified bytes: those that follow them come next, from elsewhere. */
  rewind(): void {
    this.rest = Buffer.alloc(0);
  }

  /** The next bytes of the file. Returns a `CHECKSUM` error as soon as they cannot be the chunk's. */
  take(piece: Buffer): ChunkError | undefined {
    this.rest = this.rest.length === 0 ? piece : Buffer.concat([this.rest, piece]);
    for (;;) {
      const used = this.step();
      if (used instanceof ChunkError) return used;
      if (used === 0) break;
      this.position += used;
      this.rest = this.rest.subarray(used);
    }
    return this.ended && this.rest.length > 0 ? this.wrong("bytes behind the seal") : undefined;
  }

  /** The file ends here. Returns a `CHECKSUM` error when something of it is still to come. */
  end(): ChunkError | undefined {
    return this.ended ? undefined : this.wrong("no end");
  }

  /** Bytes of `rest` that were verified; 0 when it takes more to tell. */
  private step(): number | ChunkError {
    if (this.ended) return 0;
    if (this.position === 0) return this.header();
    return this.payload ? this.block(this.payload) : this.head();
  }

  private header(): number | ChunkError {
    if (this.rest.length < CHUNK_HEADER_SIZE) return 0;
    const { handle, clusterId } = this.expected;
    const invalid = chunkHeaderInvalid(this.rest.subarray(0, CHUNK_HEADER_SIZE), handle, clusterId);
    if (invalid) return this.wrong(`a wrong header (${invalid})`);
    return CHUNK_HEADER_SIZE;
  }

  private head(): number | ChunkError {
    const { handle, length } = this.expected;
    const head = decodeRecordHead(this.rest, handle, this.position);
    if (head === "short") return 0;
    if (head === "invalid") return this.wrong("no record");
    if (head.kind === "seal") {
      if (this.position !== length) return this.wrong("a seal");
      this.ended = true;
    } else {
      if (this.position + head.headSize + head.size > length) return this.wrong("a record too many");
      this.payload = { table: Buffer.from(head.table), size: head.size, done: 0 };
    }
    return head.headSize;
  }

  private block(payload: Payload): number | ChunkError {
    const size = Math.min(BLOCK_SIZE, payload.size - payload.done);
    if (this.rest.length < size) return 0;
    const block = this.rest.subarray(0, size);
    if (!blocksMatch(payload.table, block, payload.done / BLOCK_SIZE)) return this.wrong("a damaged block");
    payload.done += size;
    if (payload.done === payload.size) this.payload = undefined;
    return size;
  }

  private wrong(what: string): ChunkError {
    const { handle } = this.expected;
    return new ChunkError("CHECKSUM", `the copy of chunk ${handle} has ${what} at ${this.position}`);
  }
}
