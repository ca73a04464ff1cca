import { assert } from "../../std/assert.ts";
import type { Replica } from "../protocol/messages.ts";
import { CHUNK_HEADER_SIZE, payloadRoom, recordSize } from "../protocol/record.ts";
import { AppendRuns, type StoredRecord } from "./append-runs.ts";
import type { ChunkLease } from "./leases.ts";
import type { ConnectionPool } from "./pool.ts";

/** A chunk that this process alone appends to, for as long as its lease lasts. */
export class OpenChunk {
  private underWay = 0;
  private bytesUnderWay = 0;
  /** Monotonic ms of the last append, or of the opening. */
  usedAt: number;
  private isRetired = false;
  /** What the chunk's length will be once every reserved record is in it: nobody else writes to it. */
  private length = CHUNK_HEADER_SIZE;
  private readonly runs: AppendRuns;

  constructor(
    public lease: ChunkLease,
    /** Monotonic ms by which an append must have reached the primary. */
    public usableUntil: number,
    pool: ConnectionPool,
    private readonly monotonic: () => number,
    private readonly onDrained: (chunk: OpenChunk) => void,
  ) {
    this.usedAt = monotonic();
    this.runs = new AppendRuns(() => this.lease, pool, monotonic);
  }

  /** Records that have room reserved and no answer yet. */
  get inFlight(): number {
    return this.underWay;
  }

  /** Payload bytes of those. */
  get bytesInFlight(): number {
    return this.bytesUnderWay;
  }

  get handle(): number {
    return this.lease.handle;
  }

  get primary(): Replica {
    return this.lease.replicas[0]!;
  }

  get retired(): boolean {
    return this.isRetired;
  }

  /** Whether a record of `size` payload bytes may still be appended. */
  takes(size: number): boolean {
    return !this.isRetired && this.monotonic() < this.usableUntil && payloadRoom(this.length) >= size;
  }

  /** Sets room for a record of `size` payload bytes aside, for one {@link append} or {@link cancel}. */
  reserve(size: number): boolean {
    if (!this.takes(size)) return false;
    this.length += recordSize(size);
    this.bytesUnderWay += size;
    this.underWay++;
    return true;
  }

  /** Gives room back that nothing was sent for. */
  cancel(size: number): void {
    this.length -= recordSize(size);
    this.settle(size);
  }

  /** No more appends from now on. Those under way go on; `onDrained` is called when there are none. */
  retire(): void {
    if (this.isRetired) return;
    this.isRetired = true;
    if (this.underWay === 0) this.onDrained(this);
  }

  /**
   * Appends a record in room that was reserved. Rejects when it has no quorum, or when that is not known: the record
   * may then lie in the chunk as garbage. Afterwards `append` of other records can only fail too, so retire the chunk.
   */
  async append(payload: Buffer, table: Buffer, timeoutMs: number): Promise<StoredRecord> {
    try {
      const { record, dropped } = await this.runs.append(payload, table, timeoutMs);
      if (dropped.length > 0) this.retire();
      return record;
    } finally {
      this.settle(payload.length);
    }
  }

  private settle(size: number): void {
    this.underWay--;
    this.bytesUnderWay -= size;
    assert(this.underWay >= 0, "what was reserved is appended or cancelled once");
    this.usedAt = this.monotonic();
    if (this.isRetired && this.underWay === 0) this.onDrained(this);
  }
}
