import type { DiskFile } from "../../std/disk.ts";
import { CHUNK_HEADER_SIZE, SEAL_SIZE } from "../protocol/record.ts";
import type { StoredChunk } from "./chunk.ts";
import type { ChunkReader } from "./chunk-reader.ts";
import type { ChunkStore } from "./chunk-store.ts";
import { ChunkError } from "./errors.ts";
import type { Pacer } from "./file-window.ts";
import { walkRecords } from "./record-walk.ts";

/** A replica that changes while it is checked is checked again, this often; then its next round finds it. */
const ATTEMPTS_MAX = 3;

/** Bytes of the file that a check reads. */
export function checkedSize({ length, sealed }: Pick<StoredChunk, "length" | "sealed">): number {
  return length + (sealed ? SEAL_SIZE : 0);
}

/**
 * Reads all of the replica that counts as durable: header, records with their blocks, seal and file size. Marks it
 * when any of that is wrong. Resolves to whether it did. Rejects with `OVERLOADED` when the process has no descriptor
 * to spare, or with what `pacer` rejects with.
 */
export async function checkReplica(
  store: ChunkStore,
  reader: ChunkReader,
  handle: number,
  pacer: Pacer,
): Promise<boolean> {
  for (let attempt = 0; attempt < ATTEMPTS_MAX; attempt++) {
    const chunk = store.get(handle);
    if (!chunk || !isCheckable(store, chunk)) return false;
    const { length, version, sealed } = chunk;
    await store.reopen(handle);
    const wrong = await findWrong(store, reader, { ...chunk }, chunk, pacer);
    if (wrong === undefined) return false;
    const isSame = chunk.length === length && chunk.version === version && chunk.sealed === sealed;
    if (store.get(handle) !== chunk || !isSame || store.isChanging(handle)) continue;
    store.markDamaged(chunk, wrong);
    return true;
  }
  return false;
}

/** A chunk that has nothing durable yet may not have its file either. */
function isCheckable(store: ChunkStore, chunk: StoredChunk): boolean {
  const { handle, unreadable, sealed, length } = chunk;
  if (unreadable !== undefined || store.isDamaged(handle) || store.isChanging(handle)) return false;
  return sealed || length > CHUNK_HEADER_SIZE;
}

/** What is wrong with the replica, which should be as `expected`. */
async function findWrong(
  store: ChunkStore,
  reader: ChunkReader,
  expected: Readonly<StoredChunk>,
  chunk: StoredChunk,
  pacer: Pacer,
): Promise<string | undefined> {
  try {
    return await reader.reading(chunk, (file) => inspect(store, file, expected, pacer));
  } catch (error) {
    if (!(error instanceof ChunkError)) throw error;
    if (error.code === "NO_SUCH_CHUNK") return undefined;
    // The reader has marked it.
    if (error.code === "CHECKSUM") return error.message;
    throw error;
  }
}

async function inspect(
  store: ChunkStore,
  file: DiskFile,
  { handle, version, length, sealed }: Readonly<StoredChunk>,
  pacer: Pacer,
): Promise<string | undefined> {
  const size = await file.size();
  const end = checkedSize({ length, sealed });
  if (sealed ? size !== end : size < end) return `its file has ${size} bytes, not ${end}`;
  const header = Buffer.alloc(CHUNK_HEADER_SIZE);
  await file.read(header, 0);
  const invalid = store.headerInvalid(header, handle);
  if (invalid !== null) return `its header is wrong (${invalid})`;
  const walk = await walkRecords(file, handle, end, { payloads: true, pacer });
  if (walk.length !== length) return `the record at ${walk.length} fails its checksum`;
  if (!sealed) return undefined;
  if (typeof walk.next !== "object") return "its seal fails its checksum";
  return walk.next.seal === version ? undefined : `its seal is of version ${walk.next.seal}, not ${version}`;
}
