import { RECORD_PAYLOAD_MAX } from "../protocol/record.ts";
import type { ChunkStock } from "./chunk-stock.ts";
import type { OpenChunk } from "./open-chunk.ts";

/** Large objects that have an open chunk of their own at once; more of them pack into the shared ones. */
const EXCLUSIVE_CHUNKS_MAX = 32;
/** Partly filled chunks kept for the next large objects. */
const IDLE_CHUNKS_MAX = 4;

/** Lends open chunks to one large object at a time, so that its records lie back to back. */
export class ExclusiveChunks {
  private idle: OpenChunk[] = [];
  private lent = 0;

  constructor(private readonly stock: ChunkStock) {}

  /** The chunks of one large object, one after another; undefined while too many objects have theirs. */
  lend(): ExclusiveRun | undefined {
    if (this.lent >= EXCLUSIVE_CHUNKS_MAX) return undefined;
    this.lent++;
    return new ExclusiveRun(
      () => this.take(),
      (chunk) => {
        this.lent--;
        if (chunk) this.putBack(chunk);
      },
    );
  }

  /** Idle chunks go back. */
  clear(): void {
    for (const chunk of this.idle.splice(0)) chunk.retire();
  }

  private async take(): Promise<OpenChunk> {
    for (let chunk = this.idle.pop(); chunk; chunk = this.idle.pop()) {
      if (chunk.takes(RECORD_PAYLOAD_MAX)) return chunk;
      chunk.retire();
    }
    return this.stock.take();
  }

  private putBack(chunk: OpenChunk): void {
    this.idle = this.idle.filter((other) => other.takes(RECORD_PAYLOAD_MAX));
    if (chunk.takes(RECORD_PAYLOAD_MAX) && this.idle.length < IDLE_CHUNKS_MAX) this.idle.push(chunk);
    else chunk.retire();
  }
}

/** One open chunk at a time for one object. */
export class ExclusiveRun {
  private current: OpenChunk | undefined;
  private advancing: Promise<void> | undefined;

  constructor(
    private readonly take: () => Promise<OpenChunk>,
    private readonly onRelease: (chunk: OpenChunk | undefined) => void,
  ) {}

  /** The present chunk, or the next one, with room reserved for a record of `size` bytes. */
  async chunkFor(size: number): Promise<OpenChunk> {
    for (;;) {
      if (this.current?.reserve(size)) return this.current;
      this.advancing ??= this.advance().finally(() => {
        this.advancing = undefined;
      });
      await this.advancing;
    }
  }

  /** Ends the loan; called once no append of the object is under way. */
  release(): void {
    this.onRelease(this.current);
    this.current = undefined;
  }

  private async advance(): Promise<void> {
    this.current?.retire();
    this.current = await this.take();
  }
}
