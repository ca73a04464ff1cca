import type { DiskFile } from "../../std/disk.ts";
import { CHUNK_HEADER_SIZE, chunkHeaderInvalid, SEAL_SIZE } from "../protocol/record.ts";
import { ChunkError } from "./errors.ts";
import { walkRecords } from "./record-walk.ts";

/**
 * Reads back a copied chunk file and checks header, every record and the seal.
 * Throws `CHECKSUM` when it is not whole, `STALE_VERSION` when its seal names another version.
 */
export async function verifyCopy(
  file: DiskFile,
  expected: { handle: number; version: number; length: number; clusterId: string },
): Promise<void> {
  const { handle, version, length, clusterId } = expected;
  const header = Buffer.alloc(CHUNK_HEADER_SIZE);
  await file.read(header, 0);
  const invalid = chunkHeaderInvalid(header, handle, clusterId);
  if (invalid)
    throw new ChunkError("CHECKSUM", `the copy of chunk ${handle} has a wrong header (${invalid})`);
  const size = await file.size();
  const { next, length: found } = await walkRecords(file, handle, size, { payloads: true });
  if (size !== length + SEAL_SIZE || found !== length || typeof next !== "object") {
    throw new ChunkError("CHECKSUM", `the copy of chunk ${handle} is good up to ${found} of ${length} only`);
  }
  if (next.seal !== version) {
    throw new ChunkError(
      "STALE_VERSION",
      `the source of chunk ${handle} was sealed at version ${next.seal}, not ${version}`,
    );
  }
}
