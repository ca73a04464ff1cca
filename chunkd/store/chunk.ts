import type { ChunkStat, FenceResponse } from "../protocol/messages.ts";
import { CHUNK_HEADER_SIZE } from "../protocol/record.ts";
import type { ChunkLog } from "./chunk-log.ts";

/**
 * Why a file that is named like a replica is not served at all. `header`: damaged, with nothing of this chunk behind;
 * `read`: it cannot be read; the others are not ours to delete.
 */
export type Unreadable = "header" | "read" | "handle" | "cluster" | "format" | "directory";

/** A replica as this chunkserver holds it. */
export interface StoredChunk {
  readonly handle: number;
  /** The highest version that a record, a seal, a lease or a fence has named. */
  version: number;
  /** Durable length, the seal not counted: whole records up to here, as far as they were looked at. */
  length: number;
  sealed: boolean;
  /** Set: nothing of the file is served. */
  unreadable: Unreadable | undefined;
  /** Found at start, end of the last whole record behind a bad place; else 0. Records up to it can be read. */
  salvaged: number;
  /** Found at start, size of a file with anything else than whole records behind `length`; else 0. */
  tail: number;
  /** How far the primary has said that the quorum reaches; nothing behind it was acknowledged by this primary itself. */
  committed: number;
  /** This process has been the chunk's primary since the chunk was made. */
  isPrimary: boolean;
  /** Only in chunks made since this chunkserver started: any other takes no more appends, so that fences outlive a crash. */
  log: ChunkLog | undefined;
}

export function chunkStat({ version, length, sealed }: StoredChunk): ChunkStat {
  return { version, length, sealed };
}

/** What a fence is told: with the bounds behind which nothing was acknowledged, where this replica knows any but `length`. */
export function fenceResponse(chunk: StoredChunk): FenceResponse {
  const response: FenceResponse = chunkStat(chunk);
  if (chunk.tail > chunk.length) response.limit = chunk.tail;
  if (chunk.isPrimary && !chunk.sealed) response.acknowledged = chunk.committed;
  return response;
}

/** File offset up to which records may be read. */
export function readableEnd({ length, salvaged }: StoredChunk): number {
  return Math.max(length, salvaged);
}

export function storedChunk(handle: number, version: number, length: number, sealed: boolean): StoredChunk {
  return {
    handle,
    version,
    length,
    sealed,
    unreadable: undefined,
    salvaged: 0,
    tail: 0,
    committed: CHUNK_HEADER_SIZE,
    isPrimary: false,
    log: undefined,
  };
}

export function unreadableChunk(handle: number, why: Unreadable): StoredChunk {
  return { ...storedChunk(handle, 0, 0, false), unreadable: why };
}

/** A file that another cluster or chunk may still need. */
export function isForeign({ unreadable }: StoredChunk): boolean {
  return unreadable !== undefined && unreadable !== "header" && unreadable !== "read";
}
