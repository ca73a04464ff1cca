// The way of an object's bytes into chunks: cut into segments, each appended to an open chunk by its primary, many under
// way at once. Bytes in memory are bounded over all uploads; a source that is too fast is simply not read.
import type { Log } from "../../std/log.ts";
import type { Environment } from "../protocol/connection.ts";
import type { ClusterSecrets } from "../protocol/handshake.ts";
import { type Extent, RECORD_PAYLOAD_MAX } from "../protocol/record.ts";
import { Appender, type Route } from "./appender.ts";
import { ChunkStock } from "./chunk-stock.ts";
import { within } from "./deadline.ts";
import { describe, StorageError } from "./errors.ts";
import { ExclusiveChunks, ExclusiveRun } from "./exclusive-chunks.ts";
import { LeaseBook } from "./lease-book.ts";
import type { LeaseSource } from "./leases.ts";
import { ConnectionPool } from "./pool.ts";
import { SegmentCutter } from "./segment-cutter.ts";
import { type Segment, SegmentBuffers } from "./segments.ts";
import { SharedChunks } from "./shared-chunks.ts";
import { Upload } from "./upload.ts";

/** Objects up to this size share chunks; a larger one fills chunks of its own. */
export const PACK_SIZE_MAX = 8 << 20;
/** Bytes of all uploads that are in memory at once, waiting for their quorum. */
const IN_FLIGHT_BYTES_MAX = 48 << 20;

/** Whoever has written commits within this, or may find that the data was collected. */
const COMMIT_WITHIN_MS = 60_000;
/** A master that is away does not keep this process from ending. */
const CLOSE_WITHIN_MS = 3_000;

export interface ChunkWriterOptions {
  /** This process's name in the logs of chunkservers. */
  id: string;
  /** At least 1 MiB. */
  inFlightBytesMax?: number;
  /** This machine, as `thisHost` tells it: chunkservers on it are reached by unix sockets. Absent: TCP only. */
  host?: string;
}

/** Stores byte streams in the cluster's chunks, durably, on leases of its own. */
export class ChunkWriter {
  private readonly pool: ConnectionPool;
  private readonly book: LeaseBook;
  private readonly shared: SharedChunks;
  private readonly exclusive: ExclusiveChunks;
  private readonly appender: Appender;
  private readonly buffers: SegmentBuffers;
  private readonly uploads = new Set<Upload>();
  /** Chunks of what was written a moment ago: until when, monotonic ms. */
  private readonly written = new Map<number, number>();
  private closed = false;

  constructor(
    private readonly env: Environment & { log: Log },
    secrets: ClusterSecrets,
    leases: LeaseSource,
    options: ChunkWriterOptions,
  ) {
    this.pool = new ConnectionPool(env, secrets, options.id, options.host);
    this.book = new LeaseBook(env, leases, this.pool, () => this.uncommitted());
    const stock = new ChunkStock(this.book, this.pool);
    this.shared = new SharedChunks(stock);
    this.exclusive = new ExclusiveChunks(stock);
    this.appender = new Appender(env, () => {
      for (const chunks of [this.shared, this.exclusive, stock]) chunks.clear();
    });
    this.buffers = new SegmentBuffers(options.inFlightBytesMax ?? IN_FLIGHT_BYTES_MAX);
  }

  /** Bytes of uploads in memory now, for metrics. */
  get inFlightBytes(): number {
    return this.buffers.used;
  }

  /** Chunks this writer holds a lease on now, for metrics. */
  get openChunks(): number {
    return this.book.size;
  }

  /**
   * Stores `source`; resolves, when every byte is synced on 2 of 3 replicas, with where they are, in order. Rejects with
   * the source's error or {@link StorageError}; what was written is then garbage. `sizeHint`: the bytes to expect, if
   * known. Buffers of the source are copied before the next one is asked for.
   */
  async write(source: AsyncIterable<Uint8Array>, sizeHint?: number): Promise<Extent[]> {
    if (this.closed) throw stopping();
    const cutter = new SegmentCutter(source, this.buffers, this.env.clock, sizeHint);
    let route: Route | undefined;
    const store = (segment: Segment, isUnwanted: () => boolean) => {
      route ??= this.route(cutter, segment, sizeHint);
      return this.appender.append(segment, route, isUnwanted);
    };
    const upload = new Upload(cutter, store);
    this.uploads.add(upload);
    try {
      const extents = await upload.run();
      this.noteWritten(upload);
      return extents;
    } finally {
      void upload.drained().then(() => {
        this.uploads.delete(upload);
        if (route instanceof ExclusiveRun) route.release();
      });
    }
  }

  private noteWritten({ handles }: Upload): void {
    const until = this.env.clock.monotonic() + COMMIT_WITHIN_MS;
    for (const handle of handles) {
      this.written.delete(handle);
      this.written.set(handle, until);
    }
    for (const [handle, end] of this.written) {
      if (end > until - COMMIT_WITHIN_MS) break;
      this.written.delete(handle);
    }
  }

  /** Chunks with data that the caller of {@link write} has not got yet, or may be about to commit. */
  private uncommitted(): Set<number> {
    const handles = new Set<number>();
    for (const upload of this.uploads) for (const handle of upload.handles) handles.add(handle);
    for (const [handle, until] of this.written) {
      if (until > this.env.clock.monotonic()) handles.add(handle);
    }
    return handles;
  }

  /** Ends uploads under way with `UNAVAILABLE`, gives the leases back, closes connections. */
  async close(): Promise<void> {
    if (this.closed) return;
    this.closed = true;
    const uploads = [...this.uploads];
    for (const upload of uploads) upload.fail(stopping());
    this.pool.close();
    const leaving = Promise.all(uploads.map((upload) => upload.drained())).then(() => this.book.close());
    await within(this.env.clock, CLOSE_WITHIN_MS, leaving, stopping).catch((error) => {
      // Leases that the master did not hear of run out by themselves.
      this.env.log.warn("left without handing every chunk back", { cause: describe(error) });
    });
  }

  /** Decided at the first segment: by then an object of unknown size may turn out to be a small one. */
  private route(cutter: SegmentCutter, first: Segment, sizeHint: number | undefined): Route {
    const isWhole = cutter.ended && first.payload.length < RECORD_PAYLOAD_MAX;
    const isSmall = sizeHint === undefined ? isWhole : sizeHint <= PACK_SIZE_MAX;
    return isSmall ? this.shared : (this.exclusive.lend() ?? this.shared);
  }
}

function stopping(): StorageError {
  return new StorageError("UNAVAILABLE", "this process is stopping: send the request again");
}
