// Payloads without a signature of their own: their MD5 (the entity tag) and a checksum are worked out while they pass.
import type { Payload } from "./objects.ts";
import { S3Error } from "./s3/errors.ts";
import { type ChecksumAlgorithm, createChecksum } from "./s3/payload/checksum.ts";

/**
 * `stream`, which must give `length` bytes, as a payload with an MD5 and a checksum of `algorithm`.
 * It throws {@link S3Error} `IncompleteBody` in place of ending early.
 */
export function hashedPayload(
  stream: AsyncIterable<Uint8Array>,
  length: number,
  algorithm: ChecksumAlgorithm,
): Payload {
  const md5 = new Bun.CryptoHasher("md5");
  const checksum = createChecksum(algorithm);
  async function* observed(): AsyncGenerator<Uint8Array> {
    let received = 0;
    for await (const bytes of stream) {
      received += bytes.length;
      if (received > length)
        throw new S3Error("InvalidRequest", "The body is longer than Content-Length says.");
      md5.update(bytes);
      checksum.update(bytes);
      yield bytes;
    }
    if (received !== length) throw new S3Error("IncompleteBody");
  }
  return {
    stream: observed(),
    length,
    result: () => ({
      md5Hex: md5.digest("hex"),
      checksums: { [algorithm]: checksum.digest().toString("base64") },
    }),
  };
}
