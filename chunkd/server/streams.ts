// Whole records as they lie in the file, for readers that verify them: no byte is looked at here, and those that are in the
// page cache go into the socket without coming through this process.
import type { DiskFile } from "../../std/disk.ts";
import type { FileRange } from "../../std/net.ts";
import { isCached } from "../../std/page-cache.ts";
import { canSendFile } from "../../std/sendfile.ts";
import type { Reply } from "../protocol/connection.ts";
import type { ReadFileRequest, StreamRequest } from "../protocol/messages.ts";
import { CHUNK_HEADER_SIZE, SEAL_SIZE } from "../protocol/record.ts";
import { readableEnd, type StoredChunk } from "../store/chunk.ts";
import { type ChunkReader, FILE_PIECE_SIZE } from "../store/chunk-reader.ts";
import type { ChunkStore } from "../store/chunk-store.ts";
import { ChunkError } from "../store/errors.ts";

export class Streams {
  constructor(
    private readonly store: ChunkStore,
    private readonly reader: Pick<ChunkReader, "reading" | "readFile">,
  ) {}

  /** Bytes of the chunk's file. Throws `OUT_OF_RANGE` for any that are not durable, and as {@link ChunkReader.reading}. */
  stream({ handle, offset, size }: StreamRequest): Promise<Reply> {
    const chunk = this.store.find(handle);
    if (offset < CHUNK_HEADER_SIZE || offset + size > readableEnd(chunk))
      throw outOfRange(chunk, offset, size);
    return this.answer(chunk, offset, size);
  }

  /** A piece of a sealed chunk's file from `position` on, for a copy. Throws as {@link ChunkReader.readFile}. */
  async file({ handle, position }: ReadFileRequest): Promise<Reply> {
    const chunk = this.store.find(handle);
    const size = Math.min(FILE_PIECE_SIZE, chunk.length + SEAL_SIZE - position);
    if (chunk.sealed && size > 0) return this.answer(chunk, position, size);
    return { meta: undefined, body: await this.reader.readFile(handle, position) };
  }

  private answer(chunk: StoredChunk, offset: number, size: number): Promise<Reply> {
    return new Promise((resolve, reject) => {
      const use = async (file: DiskFile): Promise<void> => {
        const { descriptor } = file;
        if (descriptor !== undefined && canSendFile() && isCached(descriptor, offset, size)) {
          await this.send(descriptor, offset, size, (body) => resolve({ meta: undefined, body }));
        } else resolve({ meta: undefined, body: await readAt(chunk, file, offset, size) });
      };
      this.reader.reading(chunk, use).catch(reject);
    });
  }

  /** Resolves when the file may be closed. */
  private send(
    descriptor: number,
    position: number,
    size: number,
    answer: (body: FileRange) => void,
  ): Promise<void> {
    return new Promise((release) => answer({ descriptor, position, size, release }));
  }
}

async function readAt(chunk: StoredChunk, file: DiskFile, offset: number, size: number): Promise<Buffer> {
  const bytes = Buffer.allocUnsafe(size);
  const count = await file.read(bytes, offset);
  if (count < size) throw outOfRange(chunk, offset, size);
  return bytes;
}

function outOfRange(chunk: StoredChunk, offset: number, size: number): ChunkError {
  const why = `chunk ${chunk.handle} has not all of ${size} bytes at ${offset}: its durable length is ${chunk.length}`;
  return new ChunkError("OUT_OF_RANGE", why);
}
