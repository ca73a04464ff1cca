// The client's side of aws-chunked, for load tests and for tests of the decoder.

import type { ChunkSigning } from "../../auth/chunk-signing.ts";

export interface EncodeOptions {
  /** Signs chunks and trailer where given. */
  signing?: ChunkSigning;
  trailer?: { name: string; value: string };
}

/** Encodes each of `chunks` as one chunk (none may be empty), then the last chunk and the trailer. */
export function encodeAwsChunked(chunks: readonly Uint8Array[], options: EncodeOptions = {}): Buffer {
  const { signing, trailer } = options;
  const parts: Uint8Array[] = [];
  let previous = signing?.seed ?? "";
  const line = (data: Uint8Array): Buffer => {
    const size = data.length.toString(16);
    if (signing === undefined) return Buffer.from(`${size}\r\n`);
    previous = signing.chunk(previous, Bun.CryptoHasher.hash("sha256", data, "hex"));
    return Buffer.from(`${size};chunk-signature=${previous}\r\n`);
  };
  for (const chunk of chunks) parts.push(line(chunk), chunk, Buffer.from("\r\n"));
  parts.push(line(new Uint8Array()));
  if (trailer) {
    parts.push(Buffer.from(`${trailer.name}:${trailer.value}\r\n`));
    if (signing) {
      const hash = Bun.CryptoHasher.hash("sha256", `${trailer.name}:${trailer.value}\n`, "hex");
      parts.push(Buffer.from(`x-amz-trailer-signature:${signing.trailer(previous, hash)}\r\n`));
    }
  }
  return Buffer.concat([...parts, Buffer.from("\r\n")]);
}
