// The way of an object's bytes out of chunks: record by record from whichever replica gives them, each verified against
// the checksums that were made when they came in, a few ahead of the one that is given out.
import type { Log } from "../../std/log.ts";
import type { Environment } from "../protocol/connection.ts";
import type { ClusterSecrets } from "../protocol/handshake.ts";
import type { Replica } from "../protocol/messages.ts";
import type { Extent } from "../protocol/record.ts";
import { DamageReports } from "./damage-reports.ts";
import { FairSemaphore } from "./fair-semaphore.ts";
import { type LocalHost, LocalReads } from "./local-reads.ts";
import { ConnectionPool } from "./pool.ts";
import type { ReadStats } from "./read-stats.ts";
import { RecordFetcher } from "./record-fetcher.ts";
import { recordRanges, totalLength } from "./record-range.ts";
import { type Fetch, streamRecords } from "./record-stream.ts";
import { type LocationSource, ReplicaChoice } from "./replica-choice.ts";

export type { LocationSource } from "./replica-choice.ts";

/** Bytes of all streams that were read ahead of their takers; beyond it streams go on in small pieces. */
const READ_AHEAD_BYTES_MAX = 64 << 20;

export interface ChunkReaderOptions {
  /** This process's name in the logs of chunkservers. */
  id: string;
  readAheadBytesMax?: number;
  /** Chunk files on this machine are read in place; absent: everything goes over the wire. */
  local?: LocalHost;
}

/** Reads extents from the cluster's chunkservers. Memory: 128 MiB for all streams, and 64 KiB for each. */
export class ChunkReader {
  private readonly pool: ConnectionPool;
  private readonly fetcher: RecordFetcher;
  private readonly local: LocalReads | undefined;
  private readonly memory: FairSemaphore;

  constructor(
    env: Environment & { log: Log },
    secrets: ClusterSecrets,
    private readonly locations: LocationSource,
    options: ChunkReaderOptions,
  ) {
    this.pool = new ConnectionPool(env, secrets, options.id, options.local?.host);
    this.memory = new FairSemaphore(options.readAheadBytesMax ?? READ_AHEAD_BYTES_MAX);
    if (options.local) this.local = new LocalReads(env, options.local, secrets.clusterId, this.pool);
    this.fetcher = new RecordFetcher(env, this.pool, new DamageReports(env, locations), this.local);
  }

  get stats(): ReadStats {
    return this.fetcher.stats;
  }

  /**
   * The payload bytes [start, end) of `extents` taken together, verified, in order, as Buffers of at most 1 MiB.
   * `locations`: the replicas of each chunk as the master gave them with the extents. Iterating rejects with
   * `StorageError`; ending the iteration early stops what is under way. An iteration that was begun must be ended, by
   * reading on or by `return()`: until then it holds its share of the memory. Throws `RangeError` for a range outside.
   */
  read(
    extents: Extent[],
    locations: Record<number, Replica[]>,
    start: number,
    end: number,
  ): AsyncIterable<Uint8Array> {
    const length = totalLength(extents);
    if (!(start >= 0 && start <= end && end <= length)) {
      throw new RangeError(`[${start}, ${end}) is not a range of ${length} bytes`);
    }
    return {
      [Symbol.asyncIterator]: () => {
        const replicas = new ReplicaChoice(locations, this.locations, this.pool);
        const fetch: Fetch = (range, signal) => this.fetcher.fetch(range, replicas, signal);
        return streamRecords(recordRanges(extents, start, end), fetch, this.memory);
      },
    };
  }

  /** Bytes read ahead of their takers now, for metrics. */
  get readAheadBytes(): number {
    return this.memory.used;
  }

  /** Closes the connections; streams under way fail with `UNAVAILABLE`. */
  async close(): Promise<void> {
    this.local?.close();
    this.pool.close();
  }
}
