// Test content that needs no memory: any range of any object can be made again from its seed.
import { createHash } from "node:crypto";

const PIECE = 1 << 20;

/** A cheap deterministic generator of bytes (xorshift32), the same for the same seed. */
export function bytesOf(seed: number, size: number): Buffer {
  const words = new Uint32Array(Math.ceil(size / 4));
  let state = (seed * 2654435761 + 1) >>> 0 || 1;
  for (let i = 0; i < words.length; i++) {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    words[i] = state;
  }
  return Buffer.from(words.buffer, 0, size);
}

/** `size` bytes in pieces of 1 MiB: the bytes of `seed`'s first piece, each piece stamped with its number. */
export function* piecesOf(seed: number, size: number): Generator<Buffer> {
  const base = bytesOf(seed, Math.min(size, PIECE));
  for (let at = 0, index = 0; at < size; at += PIECE, index++) {
    const piece = Buffer.from(base.subarray(0, Math.min(PIECE, size - at)));
    if (piece.length >= 4) piece.writeUInt32LE(index, 0);
    yield piece;
  }
}

export function md5Of(pieces: Iterable<Uint8Array>): string {
  const hash = createHash("md5");
  for (const piece of pieces) hash.update(piece);
  return hash.digest("hex");
}

export async function md5OfStream(stream: AsyncIterable<Uint8Array>): Promise<string> {
  const hash = createHash("md5");
  for await (const piece of stream) hash.update(piece);
  return hash.digest("hex");
}
