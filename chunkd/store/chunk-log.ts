// The one writer of an open chunk. Everything that arrives while a sync is under way shares the next one.
//
// L1  Bytes of the file behind `chunk.length` are never read, reported or answered as prepared.
// L2  `chunk.length` only grows, over whole records, after they were synced.
// L3  After the first failure nothing more is written: what the file holds behind `chunk.length` is cut off or ignored.
import { assert, InvariantError } from "../../std/assert.ts";
import { CHUNK_HEADER_SIZE, CHUNK_SIZE_MAX, SEAL_SIZE } from "../protocol/record.ts";
import type { ChunkError } from "./errors.ts";

/** What a log needs of the file under it. */
export interface LogFile {
  /** Makes the file with its header, durably, name included. */
  create(): Promise<void>;
  /** Writes `parts` from `position` on and syncs them. */
  append(parts: readonly Uint8Array[], position: number): Promise<void>;
  /** Cuts off what a failed {@link append} may have left. */
  cut(length: number): Promise<void>;
}

/** The chunk as its log sees it. */
interface Growing {
  /** Durable length, bytes. */
  length: number;
}

interface Pending {
  parts: readonly Uint8Array[];
  end: number;
  resolve(): void;
  reject(error: Error): void;
}

/** Records in one write and sync; more wait for the next. Two parts each stay under writev's 1,024. */
const BATCH_RECORDS_MAX = 512;

export class ChunkLog {
  /** File offset behind the last record taken, synced or not. */
  end = CHUNK_HEADER_SIZE;
  private queue: Pending[] = [];
  private created = false;
  private running: Promise<void> | undefined;
  private closedBy: Error | undefined;

  constructor(
    private readonly chunk: Growing,
    private readonly file: LogFile,
  ) {}

  get open(): boolean {
    return this.closedBy === undefined;
  }

  /** Bytes that a record may still take. */
  get room(): number {
    return CHUNK_SIZE_MAX - SEAL_SIZE - this.end;
  }

  /**
   * Puts one record of `size` bytes behind the last; resolves when it is on disk.
   * The record's place is {@link end} as it was before the call. Rejects with {@link ChunkError}.
   */
  append(parts: readonly Uint8Array[], size: number): Promise<void> {
    if (this.closedBy) return Promise.reject(this.closedBy);
    assert(size <= this.room, "the caller must check that the record has room");
    this.end += size;
    const { end } = this;
    return new Promise((resolve, reject) => {
      this.queue.push({ parts, end, resolve, reject });
      this.running ??= this.run();
    });
  }

  /** Takes no more appends; those under way go on. */
  close(why: ChunkError): void {
    this.closedBy ??= why;
  }

  /** Resolves when nothing is being written any more. Close first. */
  async drained(): Promise<void> {
    await this.running;
  }

  private async run(): Promise<void> {
    try {
      if (!this.created) await this.file.create();
      this.created = true;
      // All frames of one read from the socket are taken before this goes on: they share the first sync.
      await Promise.resolve();
      while (this.queue.length > 0) await this.writeBatch();
    } catch (error) {
      if (error instanceof InvariantError) throw error;
      await this.fail(error as Error);
    } finally {
      this.running = undefined;
    }
  }

  private async writeBatch(): Promise<void> {
    const batch = this.queue.splice(0, BATCH_RECORDS_MAX);
    const parts: Uint8Array[] = [];
    for (const pending of batch) parts.push(...pending.parts);
    try {
      await this.file.append(parts, this.chunk.length);
    } catch (error) {
      this.queue.unshift(...batch);
      throw error;
    }
    const { end } = batch[batch.length - 1]!;
    assert(end > this.chunk.length, "the durable length only grows");
    this.chunk.length = end;
    for (const pending of batch) pending.resolve();
  }

  private async fail(error: Error): Promise<void> {
    this.closedBy ??= error;
    const lost = this.queue;
    this.queue = [];
    for (const pending of lost) pending.reject(error);
    // A file that cannot even be cut keeps its garbage behind the durable length, where nobody looks (L1).
    if (this.created) await this.file.cut(this.chunk.length).catch(() => {});
  }
}
