import type { Clock } from "../../std/clock.ts";
import { delay } from "../../std/clock.ts";
import type { Random } from "../../std/random.ts";
import { RemoteError } from "../protocol/errors.ts";
import { ChunkOp, type ReadRequest, type Replica, type StreamRequest } from "../protocol/messages.ts";
import { BLOCK_SIZE, recordSize } from "../protocol/record.ts";
import type { DamageReports } from "./damage-reports.ts";
import { backoffMs, within } from "./deadline.ts";
import { codeOf, describe, StorageError } from "./errors.ts";
import { type Failure, firstGood, HedgeAllowance } from "./first-good.ts";
import type { LocalReads } from "./local-reads.ts";
import type { ConnectionPool } from "./pool.ts";
import { ReadStats } from "./read-stats.ts";
import { type RecordRange, verifiedBytes } from "./record-range.ts";
import type { ReplicaChoice } from "./replica-choice.ts";

/** A replica that has not answered by then gets company: far over what a read from a healthy disk takes. */
const HEDGE_MS = 150;
const READ_TIMEOUT_MS = 5_000;
/** A record is tried for this long in all, so that a restart of a chunkserver or of the master is ridden out. */
export const READ_WITHIN_MS = 15_000;
const ROUNDS_MAX = 15;
const LOCATE_TIMEOUT_MS = 5_000;

/** Records from this payload on are worth a system call of their own. */
const STREAMED_SIZE_MIN = 256 << 10;

export interface FetchedRecord {
  /** Its wanted bytes, in order. */
  pieces: Buffer[];
  recordCrc: number;
}

/** Reads records from whichever replica gives them first and sound. */
export class RecordFetcher {
  readonly stats = new ReadStats();
  private readonly allowance = new HedgeAllowance();

  constructor(
    private readonly env: { clock: Clock; random: Random },
    private readonly pool: ConnectionPool,
    private readonly reports: DamageReports,
    /** Absent: everything goes over the wire. */
    private readonly local?: LocalReads,
  ) {}

  /**
   * Resolves with verified bytes; `undefined` once `signal` is aborted. Rejects with {@link StorageError}: `CORRUPT` when
   * every replica that the master knows of gives bad bytes, `UNAVAILABLE` when none gave good ones in time.
   */
  async fetch(
    range: RecordRange,
    replicas: ReplicaChoice,
    signal: AbortSignal,
  ): Promise<FetchedRecord | undefined> {
    const { clock, random } = this.env;
    const { handle } = range.extent;
    const deadline = clock.monotonic() + READ_WITHIN_MS;
    this.allowance.earn();
    this.stats.records++;
    if (signal.aborted) return undefined;
    const nearby = this.local?.read(range, replicas.ranked(handle));
    const found = nearby instanceof Promise ? await this.inTime(nearby) : nearby;
    if (found) {
      this.stats.inPlace++;
      return found;
    }
    for (let rounds = 1; ; rounds++) {
      const outcome = await this.tryReplicas(range, replicas, signal);
      if (outcome === undefined || signal.aborted) return undefined;
      if ("value" in outcome) return outcome.value;
      const { failures } = outcome;
      // The first time round the locations may be old: the master may know of a replica that is sound.
      if (rounds > 1 && failures.length > 0 && failures.every(isDamage)) throw corrupt(handle, failures);
      const waitMs = backoffMs(rounds, random);
      const isLate = rounds >= ROUNDS_MAX || clock.monotonic() + waitMs >= deadline;
      if (isLate || this.pool.closed) throw unavailable(handle, failures);
      if (waitMs > 0) await delay(clock, waitMs);
      if (signal.aborted) return undefined;
      await this.relocate(handle, replicas);
    }
  }

  /** A disk that does not answer is no reason to wait: the wire hedges. */
  private inTime(nearby: Promise<FetchedRecord | undefined>): Promise<FetchedRecord | undefined> {
    const late = () => new StorageError("UNAVAILABLE", "the file on this machine was not read in time");
    return within(this.env.clock, HEDGE_MS, nearby, late).catch(() => undefined);
  }

  private tryReplicas(range: RecordRange, replicas: ReplicaChoice, signal: AbortSignal) {
    const attempt = (replica: Replica) => this.ask(replica, range, replicas);
    return firstGood(replicas.ranked(range.extent.handle), attempt, {
      clock: this.env.clock,
      hedgeMs: HEDGE_MS,
      mayHedge: () => {
        const may = this.allowance.spend();
        if (may) this.stats.hedged++;
        return may;
      },
      signal,
    });
  }

  private async ask(replica: Replica, range: RecordRange, replicas: ReplicaChoice): Promise<FetchedRecord> {
    const { handle } = range.extent;
    try {
      const { opcode, request } = requestFor(range);
      const answer = await this.pool.callForPieces(replica.address, opcode, request, READ_TIMEOUT_MS);
      const verified = verifiedBytes(range, answer);
      if (typeof verified === "string") throw new RemoteError("CHECKSUM", verified);
      return verified;
    } catch (error) {
      if (codeOf(error) === "CHECKSUM") {
        this.stats.damaged++;
        replicas.markDamaged(handle, replica);
        this.reports.report(handle, replica.id, error);
      }
      throw error;
    }
  }

  /** A master that is away leaves the locations as they are. */
  private async relocate(handle: number, replicas: ReplicaChoice): Promise<void> {
    const late = () => new StorageError("UNAVAILABLE", "the master did not say where the chunk is");
    await within(this.env.clock, LOCATE_TIMEOUT_MS, replicas.refresh(handle), late).catch(() => {});
  }
}

/** A large record as a whole is left to the kernel to send; of a part or a small one, the chunkserver cuts the blocks out. */
function requestFor({ extent, offset, size, firstBlock, blockCount }: RecordRange) {
  const { handle } = extent;
  if (size >= STREAMED_SIZE_MIN && blockCount * BLOCK_SIZE >= size) {
    return {
      opcode: ChunkOp.stream,
      request: { handle, offset, size: recordSize(size) } satisfies StreamRequest,
    };
  }
  const request: ReadRequest = { handle, offset, firstBlock, blockCount };
  return { opcode: ChunkOp.read, request };
}

function isDamage({ error }: Failure<Replica>): boolean {
  return codeOf(error) === "CHECKSUM";
}

function causes(failures: Failure<Replica>[]): string {
  return failures.map(({ candidate, error }) => `${candidate.id}: ${describe(error)}`).join("; ");
}

function corrupt(handle: number, failures: Failure<Replica>[]): StorageError {
  const message = `every replica of chunk ${handle} is damaged (${causes(failures)}). Restore the object from a backup`;
  return new StorageError("CORRUPT", message, { cause: failures[0]!.error });
}

function unavailable(handle: number, failures: Failure<Replica>[]): StorageError {
  const why = failures.length > 0 ? causes(failures) : "the master knows of no live replica";
  const message = `no replica of chunk ${handle} answered within ${READ_WITHIN_MS / 1000} s (${why})`;
  return new StorageError("UNAVAILABLE", `${message}. See that its chunkservers run`, {
    cause: failures[0]?.error,
  });
}
