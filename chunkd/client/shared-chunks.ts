import type { ChunkStock } from "./chunk-stock.ts";
import type { OpenChunk } from "./open-chunk.ts";

/** Open chunks that small objects share. Few: the more appends go to one, the more of them share a disk sync. */
const SHARED_CHUNKS_MAX = 2;
/** Another shared chunk, with another primary, is opened once each has this many appends under way. */
export const BUSY_APPENDS = 32;

/**
 * A chunk with more under way takes no record while another has less: from here on two primaries do more than one sync
 * saves.
 */
const BUSY_BYTES = 1 << 20;

/** Packs records of any number of objects into a few chunks. */
export class SharedChunks {
  private open: OpenChunk[] = [];
  private growing: Promise<void> | undefined;

  constructor(private readonly stock: ChunkStock) {}

  /** A chunk with room reserved for a record of `size` bytes. Rejects with the master's error. */
  async chunkFor(size: number): Promise<OpenChunk> {
    for (;;) {
      this.open = this.open.filter((chunk) => chunk.takes(size) || this.putAway(chunk));
      const chunk = this.open.find(hasTime) ?? this.leastBusy();
      const isBusy = !chunk || chunk.inFlight >= BUSY_APPENDS;
      if (isBusy && this.open.length < SHARED_CHUNKS_MAX) void this.grow().catch(() => {});
      if (chunk?.reserve(size)) return chunk;
      await this.grow();
    }
  }

  /** The next records go to other chunks than those before. */
  clear(): void {
    for (const chunk of this.open.splice(0)) chunk.retire();
  }

  private leastBusy(): OpenChunk | undefined {
    return this.open.reduce<OpenChunk | undefined>(
      (least, chunk) => (least && least.inFlight <= chunk.inFlight ? least : chunk),
      undefined,
    );
  }

  private putAway(chunk: OpenChunk): false {
    chunk.retire();
    return false;
  }

  private grow(): Promise<void> {
    this.growing ??= this.stock
      .take(this.open.map((chunk) => chunk.primary.address))
      .then((chunk) => {
        this.open.push(chunk);
      })
      .finally(() => {
        this.growing = undefined;
      });
    return this.growing;
  }
}

/** The first of these takes every small record, so that all share its runs and syncs and none goes to the next one alone. */
function hasTime(chunk: OpenChunk): boolean {
  return chunk.inFlight < BUSY_APPENDS && chunk.bytesInFlight < BUSY_BYTES;
}
