// Checksums by algorithm ("CRC32") as S3 names them in headers (`x-amz-checksum-crc32`) and XML (`ChecksumCRC32`).
import type { Attributes } from "../../../masterd/protocol/messages.ts";
import type { Call } from "./call.ts";
import { S3Error } from "./errors.ts";
import { CHECKSUM_ALGORITHMS, type ChecksumAlgorithm } from "./payload/checksum.ts";
import { tag } from "./xml-write.ts";

type Summed = Pick<Attributes, "checksums" | "checksumType">;

export function checksumHeader(algorithm: string): string {
  return `x-amz-checksum-${algorithm.toLowerCase()}`;
}

export function checksumHeaders({ checksums, checksumType }: Summed): Record<string, string> {
  const headers: Record<string, string> = {};
  for (const [algorithm, value] of Object.entries(checksums)) headers[checksumHeader(algorithm)] = value;
  if (checksumType && Object.keys(checksums).length > 0) headers["x-amz-checksum-type"] = checksumType;
  return headers;
}

export function checksumTags({ checksums, checksumType }: Summed): string {
  const tags = Object.entries(checksums).map(([algorithm, value]) => tag(`Checksum${algorithm}`, value));
  if (tags.length > 0) tags.push(tag("ChecksumType", checksumType));
  return tags.join("");
}

/** What `x-amz-checksum-algorithm` asks for. Throws {@link S3Error} `InvalidRequest` for one that is unknown. */
export function requestedAlgorithm(call: Call): ChecksumAlgorithm | undefined {
  const name = call.header("x-amz-checksum-algorithm");
  if (name === undefined) return undefined;
  const algorithm = CHECKSUM_ALGORITHMS.find((known) => known === name.toUpperCase());
  if (algorithm === undefined) {
    throw new S3Error(
      "InvalidRequest",
      "Checksum algorithm provided is unsupported. Please try again with any of the valid types: [CRC32, CRC32C, CRC64NVME, SHA1, SHA256]",
    );
  }
  return algorithm;
}
