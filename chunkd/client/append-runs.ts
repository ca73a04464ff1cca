// Appends to one open chunk, gathered: small records that come while earlier ones are under way leave together, in one
// frame with one capability, and so are one write and one sync on each replica. Under load that is what an append costs.
import { ProtocolError, RemoteError } from "../protocol/errors.ts";
import { type AppendRequest, type AppendResponse, ChunkOp, RUN_RECORDS_MAX } from "../protocol/messages.ts";
import { CHUNK_HEADER_SIZE, placeRecord, recordHeadSize, recordSize } from "../protocol/record.ts";
import { unplacedHead } from "../protocol/record-run.ts";
import { codeOf } from "./errors.ts";
import type { ChunkLease } from "./leases.ts";
import type { ConnectionPool } from "./pool.ts";

/** A record with a larger payload travels alone, at once: its own transfer costs more than the frame around it. */
const GATHERED_PAYLOAD_MAX = 64 << 10;
/** Bytes of the records in one run: well under the frame's limit, so that the first need not wait long for the last. */
const RUN_BYTES_MAX = 512 << 10;
/** Runs under way at once: one is on the disk while the next is on its way. */
const RUNS_UNDER_WAY_MAX = 2;
/**
 * Beside another a run leaves only with so many bytes. Less is quicker to send than to sync: it would wait for the disk
 * there, and records that come meanwhile would need a run, a write and a sync of their own on every replica.
 */
export const SECOND_RUN_BYTES_MIN = 128 << 10;

/** Where a piece of an object was stored. */
export interface StoredRecord {
  handle: number;
  /** File offset of the record. */
  offset: number;
  /** Payload bytes. */
  size: number;
  recordCrc: number;
}

export interface Stored {
  record: StoredRecord;
  /** Ids of replicas that take no further part in the chunk. */
  dropped: string[];
}

interface Waiting {
  payload: Buffer;
  table: Buffer;
  /** Monotonic ms. */
  deadline: number;
  resolve(stored: Stored): void;
  reject(error: unknown): void;
}

export class AppendRuns {
  private waiting: Waiting[] = [];
  /** What the records that wait come to in the chunk. */
  private waitingBytes = 0;
  private underWay = 0;
  private isStarting = false;

  constructor(
    private readonly lease: () => ChunkLease,
    private readonly pool: ConnectionPool,
    private readonly monotonic: () => number,
  ) {}

  /**
   * Resolves when the record is on 2 of 3 replicas. Rejects with what the run that carried it met, or with `NOT_OPEN`,
   * unsent, when a run before it failed.
   */
  append(payload: Buffer, table: Buffer, timeoutMs: number): Promise<Stored> {
    return new Promise((resolve, reject) => {
      const one = { payload, table, deadline: this.monotonic() + timeoutMs, resolve, reject };
      if (payload.length > GATHERED_PAYLOAD_MAX) {
        void this.send([one]);
        return;
      }
      this.waiting.push(one);
      this.waitingBytes += recordSize(payload.length);
      this.start();
    });
  }

  /** A microtask later, so that appends made in one go leave in one run. */
  private start(): void {
    if (this.isStarting || this.waiting.length === 0 || !this.mayStart()) return;
    this.isStarting = true;
    queueMicrotask(() => {
      this.isStarting = false;
      if (this.waiting.length > 0) void this.run();
    });
  }

  private mayStart(): boolean {
    if (this.underWay === 0) return true;
    return this.underWay < RUNS_UNDER_WAY_MAX && this.waitingBytes >= SECOND_RUN_BYTES_MIN;
  }

  private async run(): Promise<void> {
    this.underWay++;
    await this.send(this.takeRun());
    this.underWay--;
    this.start();
  }

  private takeRun(): Waiting[] {
    let count = 0;
    let bytes = 0;
    while (count < Math.min(this.waiting.length, RUN_RECORDS_MAX)) {
      const size = recordSize(this.waiting[count]!.payload.length);
      if (count > 0 && bytes + size > RUN_BYTES_MAX) break;
      bytes += size;
      count++;
    }
    this.waitingBytes -= bytes;
    return this.waiting.splice(0, count);
  }

  /** Settles every record of `run`; never rejects. */
  private async send(run: Waiting[]): Promise<void> {
    const { handle, version, replicas, capability, expiresAt } = this.lease();
    const request: AppendRequest = { handle, version, replicas, capability, expiresAt };
    const heads = run.map(({ payload, table }) => unplacedHead(handle, version, payload, table));
    const body: Buffer[] = [];
    for (const [i, { payload }] of run.entries()) body.push(heads[i]!, payload);
    // Together they have the time of the one that came last: a run is not cut short for its oldest record.
    const timeoutMs = Math.max(1, run.at(-1)!.deadline - this.monotonic());
    try {
      const address = replicas[0]!.address;
      const { meta } = await this.pool.call(address, ChunkOp.append, request, body, timeoutMs);
      settle(run, heads, handle, checkedAnswer(meta, run.length));
    } catch (error) {
      for (const { reject } of run) reject(error);
      // Whoever is merely told to slow down may ask the same chunk again.
      if (codeOf(error) !== "OVERLOADED") this.refuseWaiting();
    }
  }

  /** What follows a run of unknown fate could only fail too. */
  private refuseWaiting(): void {
    const why = `an append to chunk ${this.lease().handle} failed: use a fresh chunk`;
    this.waitingBytes = 0;
    for (const { reject } of this.waiting.splice(0)) reject(new RemoteError("NOT_OPEN", why));
  }
}

/** Resolves every record of a run. Throws `CHECKSUM` when the primary stored something else than it was sent. */
function settle(
  run: readonly Waiting[],
  heads: readonly Buffer[],
  handle: number,
  answer: AppendResponse,
): void {
  const { dropped, recordCrcs } = answer;
  const crcs = new DataView(recordCrcs.buffer, recordCrcs.byteOffset, recordCrcs.byteLength);
  const records: StoredRecord[] = [];
  let { offset } = answer;
  for (const [i, { payload }] of run.entries()) {
    const size = payload.length;
    const crc = placeRecord(heads[i]!, 0, recordHeadSize(size), offset);
    if (crc !== crcs.getUint32(4 * i, true)) {
      throw new RemoteError("CHECKSUM", "the primary stored another record than it was sent");
    }
    records.push({ handle, offset, size, recordCrc: crc });
    offset += recordSize(size);
  }
  for (const [i, record] of records.entries()) run[i]!.resolve({ record, dropped });
}

function checkedAnswer(meta: unknown, count: number): AppendResponse {
  const { offset, recordCrcs, dropped } = (meta ?? {}) as Partial<AppendResponse>;
  const isOffset = Number.isSafeInteger(offset) && offset! >= CHUNK_HEADER_SIZE;
  const areCrcs = recordCrcs instanceof Uint8Array && recordCrcs.length === 4 * count;
  if (!isOffset || !areCrcs || !Array.isArray(dropped)) {
    throw new ProtocolError("BAD_FRAME", "the answer to an append is malformed");
  }
  return meta as AppendResponse;
}
