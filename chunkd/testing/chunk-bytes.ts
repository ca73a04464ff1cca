import {
  blockTable,
  encodeChunkHeader,
  encodeRecordHead,
  encodeSeal,
  recordSize,
} from "../protocol/record.ts";

/** The bytes of a chunk file with a record for each payload, and the file offsets where records can end. */
export function chunkBytes(
  clusterId: string,
  handle: number,
  payloads: readonly Buffer[],
  { version = 1, sealed = false }: { version?: number; sealed?: boolean } = {},
): { bytes: Buffer; borders: number[] } {
  const parts: Buffer[] = [encodeChunkHeader(handle, clusterId)];
  let offset = parts[0]!.length;
  const borders = [offset];
  for (const payload of payloads) {
    const table = blockTable(payload);
    parts.push(encodeRecordHead({ handle, version, offset, size: payload.length, table }), payload);
    offset += recordSize(payload.length);
    borders.push(offset);
  }
  if (sealed) parts.push(encodeSeal(handle, version, offset));
  return { bytes: Buffer.concat(parts), borders };
}
