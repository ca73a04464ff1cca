import type { ChunkReader } from "../../chunkd/client/reader.ts";
import type { ChunkWriter } from "../../chunkd/client/writer.ts";
import type { Extent } from "../../chunkd/protocol/record.ts";
import type { LeaseDesk } from "./lease-desk.ts";

const PIECE_SIZE = 1 << 20;

async function* pieces(size: number): AsyncGenerator<Uint8Array> {
  const piece = Buffer.alloc(PIECE_SIZE, 1);
  for (let sent = 0; sent < size; sent += PIECE_SIZE)
    yield piece.subarray(0, Math.min(PIECE_SIZE, size - sent));
}

/** Bytes a second of objects of `size` bytes written one after another for `seconds`, and what the last one became. */
export async function writeChunks(writer: ChunkWriter, size: number, seconds: number) {
  const startedAt = performance.now();
  let bytes = 0;
  let extents: Extent[] = [];
  while (performance.now() - startedAt < seconds * 1000) {
    extents = await writer.write(pieces(size), size);
    bytes += size;
  }
  return { rate: (bytes / (performance.now() - startedAt)) * 1000, extents };
}

/** Bytes a second of `extents` read from end to end, again and again for `seconds`. */
export async function readChunks(reader: ChunkReader, desk: LeaseDesk, extents: Extent[], seconds: number) {
  const length = extents.reduce((sum, extent) => sum + extent.length, 0);
  const startedAt = performance.now();
  let bytes = 0;
  while (performance.now() - startedAt < seconds * 1000) {
    for await (const piece of reader.read(extents, desk.locations, 0, length)) bytes += piece.length;
  }
  return (bytes / (performance.now() - startedAt)) * 1000;
}

/** Operations a second of `workers` that each run `operation` again and again for `seconds`. */
export async function inParallel(workers: number, seconds: number, operation: () => Promise<unknown>) {
  const startedAt = performance.now();
  let done = 0;
  const work = async (): Promise<void> => {
    while (performance.now() - startedAt < seconds * 1000) {
      await operation();
      done++;
    }
  };
  await Promise.all(Array.from({ length: workers }, work));
  return (done / (performance.now() - startedAt)) * 1000;
}

export async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes;
}

/** All bytes of `extents`, for cases that read whole small objects. */
export async function readWhole(reader: ChunkReader, desk: LeaseDesk, extents: Extent[]): Promise<number> {
  const length = extents.reduce((sum, extent) => sum + extent.length, 0);
  let bytes = 0;
  for await (const piece of reader.read(extents, desk.locations, 0, length)) bytes += piece.length;
  return bytes;
}
