// What the catalog keeps as blobs, and commands in the journal: msgpack.
import { Packr } from "msgpackr";
import type { Extent } from "../../chunkd/protocol/record.ts";
import { assert } from "../../std/assert.ts";

const packr = new Packr({ useRecords: false, moreTypes: false, int64AsType: "number" });

export function pack(value: unknown): Buffer {
  return packr.pack(value);
}

/** Unpacks what {@link pack} made; the caller knows its type, as both live in the same version of the format. */
export function unpack<T>(bytes: Uint8Array): T {
  return packr.unpack(bytes) as T;
}

const EXTENT_FIELDS = 4;

/** Extents as one flat list: a quarter of the size of maps. */
export function packExtents(extents: readonly Extent[]): Buffer {
  const flat: number[] = [];
  for (const { handle, offset, length, checksum } of extents) flat.push(handle, offset, length, checksum);
  return packr.pack(flat);
}

export function unpackExtents(bytes: Uint8Array): Extent[] {
  const flat = packr.unpack(bytes) as number[];
  assert(flat.length % EXTENT_FIELDS === 0, "an extent has four fields");
  const extents: Extent[] = [];
  for (let i = 0; i < flat.length; i += EXTENT_FIELDS) {
    extents.push({ handle: flat[i]!, offset: flat[i + 1]!, length: flat[i + 2]!, checksum: flat[i + 3]! });
  }
  return extents;
}
