// Which chunkservers get a new chunk. Pure.
import { CHUNK_SIZE_MAX } from "../../chunkd/protocol/record.ts";

export const REPLICAS_WANTED = 3;
/** The quorum of an append: fewer servers cannot take a chunk. */
export const REPLICAS_MIN = 2;
/** A server keeps room for so many chunks more than it has promised. */
const CHUNKS_SPARE = 2;

export interface Candidate {
  id: string;
  freeBytes: number;
  /** Open chunks with a replica there: each may still grow to CHUNK_SIZE_MAX. */
  openChunks: number;
  /** Open chunks that it is the primary of. */
  primaries: number;
}

/** Bytes that a new chunk could count on. */
export function roomOn({ freeBytes, openChunks }: Pick<Candidate, "freeBytes" | "openChunks">): number {
  return freeBytes - (openChunks + CHUNKS_SPARE) * CHUNK_SIZE_MAX;
}

/** Of what is ours and what is free, the part that is ours: what else lies on the disk cannot be moved. */
export function usedShare(bytes: number, freeBytes: number): number {
  const room = bytes + freeBytes;
  return room > 0 ? bytes / room : 1;
}

/**
 * Draws up to three distinct servers, each by its room, so that new and empty servers fill without taking every
 * chunk; the one that is primary least often comes first. Fewer than two means that there is no place.
 * `random` gives floats in [0, 1).
 */
export function choosePlaces(candidates: readonly Candidate[], random: () => number): Candidate[] {
  const left = candidates.filter((candidate) => roomOn(candidate) > 0);
  const chosen: Candidate[] = [];
  while (chosen.length < REPLICAS_WANTED && left.length > 0) {
    const total = left.reduce((sum, candidate) => sum + roomOn(candidate), 0);
    let draw = random() * total;
    let index = left.findIndex((candidate) => {
      draw -= roomOn(candidate);
      return draw < 0;
    });
    if (index < 0) index = left.length - 1; // rounding
    chosen.push(...left.splice(index, 1));
  }
  return chosen.sort((a, b) => a.primaries - b.primaries);
}
