import { InvariantError } from "../../std/assert.ts";
import type { Clock } from "../../std/clock.ts";
import { delay } from "../../std/clock.ts";
import type { Log } from "../../std/log.ts";
import type { Random } from "../../std/random.ts";
import { ProtocolError, RemoteError } from "../protocol/errors.ts";
import { blockTable } from "../protocol/record.ts";
import type { StoredRecord } from "./append-runs.ts";
import { backoffMs, within } from "./deadline.ts";
import { codeOf, describe, StorageError } from "./errors.ts";
import type { OpenChunk } from "./open-chunk.ts";
import type { Segment } from "./segments.ts";

/** A segment is tried for this long in all: a restart of the master or of a chunkserver takes less. */
export const APPEND_WITHIN_MS = 25_000;
/**
 * Where the master knows of fewer than 2 live chunkservers, a segment that has been tried for this long is given up: one
 * that was restarted is back by then, and for others the caller need not wait to be told so.
 */
const QUORUM_WITHIN_MS = 5_000;
/** An append that fails only after this shows that servers went silent, which the master may know by now. */
const STALL_MS = 5_000;
/** No answer of a primary for this long: the segment goes elsewhere. */
const APPEND_TIMEOUT_MS = 10_000;
const ATTEMPTS_MAX = 20;
/** Full disks do not empty themselves: after this many refusals the caller is told. */
const NO_SPACE_ATTEMPTS_MAX = 3;

type AppendableChunk = Pick<OpenChunk, "handle" | "primary" | "append" | "cancel" | "retire">;

/** Where the segments of an object go: `SharedChunks` or an `ExclusiveRun`. */
export interface Route {
  /** A chunk with room reserved for a record of `size` bytes. */
  chunkFor(size: number): Promise<AppendableChunk>;
}

/** Stores one segment, on as many chunks as it takes until one has its quorum. */
export class Appender {
  /** When `onStall` was last called, monotonic ms. */
  private stalledAt = Number.NEGATIVE_INFINITY;

  /** `onStall`: chunks opened before now may be on servers that went silent; the next ones are to be asked for anew. */
  constructor(
    private readonly env: { clock: Clock; random: Random; log: Log },
    private readonly onStall: () => void = () => {},
  ) {}

  /**
   * Resolves when the segment is on 2 of 3 replicas; rejects with {@link StorageError}. What failed attempts left in
   * their chunks is garbage. No new attempt is made once `isUnwanted` answers true.
   */
  async append(segment: Segment, route: Route, isUnwanted: () => boolean): Promise<StoredRecord> {
    const { clock, random } = this.env;
    const startedAt = clock.monotonic();
    const deadline = startedAt + APPEND_WITHIN_MS;
    const table = blockTable(segment.payload);
    for (let failures = 0, refusals = 0; ; ) {
      try {
        return await this.attempt(segment, table, route, deadline - clock.monotonic());
      } catch (error) {
        if (error instanceof InvariantError) throw error;
        failures++;
        if (codeOf(error) === "NO_SPACE") refusals++;
        const waitMs = backoffMs(failures, random);
        this.noteStall(startedAt);
        const isLate =
          failures >= ATTEMPTS_MAX || clock.monotonic() + waitMs >= endOfTrying(error, startedAt);
        if (isUnwanted() || isLate || refusals >= NO_SPACE_ATTEMPTS_MAX) throw surrender(error);
        if (waitMs > 0) await delay(clock, waitMs);
      }
    }
  }

  /** What was begun before the last stall only tells of that one again. */
  private noteStall(startedAt: number): void {
    const now = this.env.clock.monotonic();
    if (now - startedAt < STALL_MS || startedAt <= this.stalledAt) return;
    this.stalledAt = now;
    this.onStall();
  }

  private async attempt(
    segment: Segment,
    table: Buffer,
    route: Route,
    leftMs: number,
  ): Promise<StoredRecord> {
    const { clock, log } = this.env;
    const { payload } = segment;
    const startedAt = clock.monotonic();
    const choosing = route.chunkFor(payload.length);
    const chunk = await within(clock, leftMs, choosing, () => {
      choosing.then((late) => late.cancel(payload.length)).catch(() => {});
      return new ProtocolError("TIMEOUT", `the master opened no chunk within ${APPEND_WITHIN_MS} ms`);
    });
    const timeoutMs = Math.max(1, Math.min(APPEND_TIMEOUT_MS, leftMs - (clock.monotonic() - startedAt)));
    try {
      return await chunk.append(payload, table, timeoutMs);
    } catch (error) {
      // Whether the record is in the chunk is unknown, and so is what follows it: go on in another one. Not so when the
      // primary is merely busy: it refused before it gave the record a place.
      if (codeOf(error) !== "OVERLOADED") chunk.retire();
      // The chunkserver's own answer shows that it had the whole segment; else a socket may still hold the buffer.
      if (!(error instanceof RemoteError)) segment.reusable = false;
      log.warn("an append failed", {
        chunk: chunk.handle,
        primary: chunk.primary.id,
        address: chunk.primary.address,
        cause: describe(error),
      });
      throw error;
    }
  }
}

function endOfTrying(cause: unknown, startedAt: number): number {
  return startedAt + (codeOf(cause) === "NOT_ENOUGH_SERVERS" ? QUORUM_WITHIN_MS : APPEND_WITHIN_MS);
}

function surrender(cause: unknown): StorageError {
  if (codeOf(cause) === "NO_SPACE") {
    const message = `the cluster has no space left (${describe(cause)}): delete data or add a chunkserver`;
    return new StorageError("NO_SPACE", message, { cause });
  }
  const message = `no 2 replicas stored the data in time; last cause: ${describe(cause)}`;
  return new StorageError("UNAVAILABLE", `${message}. See that the master and 2 chunkservers run`, { cause });
}
