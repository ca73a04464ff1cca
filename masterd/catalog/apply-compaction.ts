import { CHUNK_HEADER_SIZE, CHUNK_SIZE_MAX, type Extent, extentEnd } from "../../chunkd/protocol/record.ts";
import { MasterError } from "../store/errors.ts";
import type { Catalog } from "./catalog.ts";
import type { CommandOf, MovedExtent } from "./commands.ts";

function refuse(why: string): never {
  throw new MasterError("BAD_REQUEST", why);
}

export function addCompacted(catalog: Catalog, command: CommandOf<"addCompacted">): null {
  const { chunks, database } = catalog;
  const { handle, source, version, length, members, at } = command;
  if (chunks.get(handle)) refuse(`the handle ${handle} is taken`);
  if (chunks.get(source)?.state !== "sealed") refuse(`chunk ${source} is not sealed`);
  if (length <= CHUNK_HEADER_SIZE || length > CHUNK_SIZE_MAX) refuse(`a chunk cannot be ${length} long`);
  chunks.addSealed(handle, version, length, members, at);
  database.meta.chunksOpened++;
  return null;
}

/** Compare and set, for each extent by itself: what was overwritten, deleted or moved meanwhile is left as it is. */
export function moveExtents(catalog: Catalog, command: CommandOf<"moveExtents">): { moved: number } {
  const { objects, uploads, chunks } = catalog;
  const { source, target, extents, objects: wanted, parts } = command;
  const row = chunks.get(target);
  if (row?.state !== "sealed") return refuse(`chunk ${target} is not sealed`);
  const moves = new Map(extents.map((extent) => [extent.offset, extent]));
  if (moves.size !== extents.length) refuse("an extent is given twice");
  for (const { newOffset, length } of extents) {
    if (extentEnd({ offset: newOffset, length }) > row.length) refuse(`chunk ${target} has no such extent`);
  }
  let moved = 0;
  const move = (before: readonly Extent[], put: (after: Extent[]) => void): void => {
    const after = before.map((extent) => newPlace(extent, source, target, moves) ?? extent);
    const changed = after.filter((extent, i) => extent !== before[i]);
    if (changed.length === 0) return;
    chunks.refer(changed);
    put(after);
    chunks.unrefer(before.filter((extent, i) => extent !== after[i]));
    moved++;
  };
  for (const { bucket, key } of wanted) {
    const before = objects.extents(bucket, key);
    if (before) move(before, (after) => objects.setExtents(bucket, key, after));
  }
  for (const { uploadId, partNumber } of parts) {
    const part = uploads.part(uploadId, partNumber);
    if (part) move(part.extents, (after) => uploads.putPart(uploadId, { ...part, extents: after }));
  }
  return { moved };
}

function newPlace(
  { handle, offset, length, checksum }: Extent,
  source: number,
  target: number,
  moves: ReadonlyMap<number, MovedExtent>,
): Extent | undefined {
  const move = handle === source ? moves.get(offset) : undefined;
  if (move?.length !== length || move.checksum !== checksum) return undefined;
  return { handle: target, offset: move.newOffset, length, checksum: move.newChecksum };
}
