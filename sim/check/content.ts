// Bytes that say whose they are: every 4 KiB names its write and its place, so a splice of two values is seen anywhere.
import { createHash } from "node:crypto";

const STRIDE = 4096;

/** A run of bytes of one write. */
export interface Piece {
  /** Names the write; no two writes have the same. */
  name: string;
  size: number;
}

export function bytesOf({ name, size }: Piece): Buffer {
  const bytes = Buffer.allocUnsafe(size);
  for (let at = 0, block = 0; at < size; at += STRIDE, block++) {
    bytes.fill(`${name}/${block};`, at, Math.min(size, at + STRIDE));
  }
  return bytes;
}

export function contentOf(pieces: readonly Piece[]): Buffer {
  return pieces.length === 1 ? bytesOf(pieces[0]!) : Buffer.concat(pieces.map(bytesOf));
}

export function sizeOf(pieces: readonly Piece[]): number {
  return pieces.reduce((sum, { size }) => sum + size, 0);
}

/** Hex MD5 of the pieces' bytes. */
export function md5Of(pieces: readonly Piece[]): string {
  return createHash("md5").update(contentOf(pieces)).digest("hex");
}

/** S3's etag of an object made of parts. */
export function joinedEtag(etags: readonly string[]): string {
  const joined = createHash("md5").update(Buffer.concat(etags.map((etag) => Buffer.from(etag, "hex"))));
  return `${joined.digest("hex")}-${etags.length}`;
}

/** Where `actual` first differs from `expected` from byte `start` on, in words; undefined when it does not. */
export function firstDifference(actual: Buffer, expected: Buffer, start: number): string | undefined {
  if (actual.equals(expected.subarray(start, start + actual.length))) return undefined;
  let at = 0;
  while (at < actual.length && actual[at] === expected[start + at]) at++;
  const around = (bytes: Buffer, from: number) =>
    JSON.stringify(bytes.subarray(from, from + 40).toString("latin1"));
  return `byte ${start + at}: got ${around(actual, at)}, expected ${around(expected, start + at)}`;
}
