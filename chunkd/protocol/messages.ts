// What chunkservers are asked, and what they ask of the master. The meta of each frame is one of these.
import type { Address } from "../../std/net.ts";
import type { MasterPoint } from "./master-point.ts";
import { RECORD_PAYLOAD_MAX, recordSize } from "./record.ts";

export interface Replica {
  /** The chunkserver's id. */
  id: string;
  /** Where its data plane listens. */
  address: Address;
}

/** A replica that a lease lets write. */
export interface LeasedReplica extends Replica {
  /**
   * Which start of the chunkserver the lease was given to. One that has started again since may have lost what it had not
   * synced, and takes no append of that lease: no offset of a chunk is ever given out twice.
   */
  incarnation: number;
}
/** A random number of so many bytes, drawn at each start of a chunkserver. */
export const INCARNATION_BYTES = 6;

/** Served by a chunkserver on its data plane. 16 and 17 were appends of a single record: not in use. */
export const ChunkOp = {
  append: 30,
  replicate: 31,
  commit: 18,
  abort: 19,
  read: 20,
  fence: 21,
  seal: 22,
  copy: 23,
  remove: 24,
  stat: 25,
  readFile: 26,
  compact: 27,
  scrub: 28,
  stream: 32,
} as const;

/** Served by the master to chunkservers, over the connection that the chunkserver opened. */
export const MasterOp = { register: 64, report: 65, heartbeat: 66 } as const;

/** The code of the master's answer to the registration of a chunkserver that the operator has removed. */
export const REMOVED = "REMOVED";

export type ChunkErrorCode =
  | "NO_SUCH_CHUNK"
  | "STALE_VERSION" // the caller's chunk version is older than this replica's: its lease is over
  | "NOT_OPEN" // sealed, fenced, aborted, or not opened since this chunkserver started
  | "CHUNK_FULL"
  | "OUT_OF_RANGE" // this replica's durable length does not cover it
  | "CHECKSUM" // stored bytes, or bytes on the wire, fail their checksum
  | "BAD_CAPABILITY"
  | "NO_QUORUM" // fewer than 2 of 3 replicas prepared in time: the range is garbage, use a fresh chunk
  | "NO_SPACE"
  | "DISK_FAILED" // quarantined after EIO: reads of what is left only
  | "MASTER_BEHIND"; // the master's directory is older than one that this chunkserver has seen

/** Limits of the data plane's frames. A body holds one full record, or a run of smaller ones. */
export const DATA_LIMITS = { metaSizeMax: 64 << 10, bodySizeMax: RECORD_PAYLOAD_MAX + 4096 };

/** Records in the body of one append or replicate. */
export const RUN_RECORDS_MAX = 128;

/**
 * Writer -> primary. Role `client`; body: a run of whole records (chunkd/FORMAT.md) back to back, 1 to
 * RUN_RECORDS_MAX, each with its checksums and with 0 for its file offset. The primary gives them their places behind
 * what it has, one behind the other, replicates them, and answers when 2 of 3 replicas (itself included) have all of
 * them on disk. An error tells nothing of the single record: some may lie in the chunk, as garbage.
 */
export interface AppendRequest {
  handle: number;
  version: number;
  /** All replicas of the chunk, primary first, as in the capability. */
  replicas: LeasedReplica[];
  capability: Uint8Array;
  expiresAt: number;
}
export interface AppendResponse {
  /** File offset of the first record. */
  offset: number;
  /** The CRC of each record in its place, 4 bytes each, little-endian. */
  recordCrcs: Uint8Array;
  /** Ids of the replicas that have all of them on disk so far. */
  prepared: string[];
  /** Ids of replicas that take no further part in this chunk: the writer should retire it. */
  dropped: string[];
}

/** Primary -> secondary. Role `chunkserver`; body: a run of records in their places. Answered when all are on disk. */
export interface ReplicateRequest {
  handle: number;
  version: number;
  replicas: LeasedReplica[];
  capability: Uint8Array;
  expiresAt: number;
  /** File offset of the first record. */
  offset: number;
}
export interface ReplicateResponse {
  /** Durable length of the chunk here. */
  length: number;
}

/** Primary -> secondary, a notification: everything before `length` has its quorum. */
export interface CommitNotice {
  handle: number;
  version: number;
  length: number;
}

/** Primary -> secondary, a notification: no more appends to this chunk. */
export interface AbortNotice {
  handle: number;
  version: number;
}

/** Any role. Answer: body = the record's head, then its blocks [firstBlock, firstBlock + blockCount). */
export interface ReadRequest {
  handle: number;
  /** File offset of the record. */
  offset: number;
  firstBlock: number;
  blockCount: number;
}

/** Any role. Answer: body = the bytes [offset, offset + size) of the chunk's file, which the asker must verify. */
export interface StreamRequest {
  handle: number;
  /** File offset of a record. */
  offset: number;
  /** 1 to STREAM_SIZE_MAX. */
  size: number;
}
export const STREAM_SIZE_MAX = recordSize(RECORD_PAYLOAD_MAX);

/** Master -> replica. Refuses appends below `version` from now on; answers how much it has on disk. */
export interface FenceRequest {
  handle: number;
  version: number;
}
export interface ChunkStat {
  version: number;
  /** Durable length, the seal not counted: records up to here are whole, one behind another. */
  length: number;
  sealed: boolean;
}
/** Answer to a fence. */
export interface FenceResponse extends ChunkStat {
  /**
   * Absent: `length`. Otherwise this replica was found with bytes behind `length` that are no run of whole records: a
   * torn tail that nobody was told of, or damage to records that it did acknowledge. It cannot tell which, only that
   * it has acknowledged nothing behind this file offset (no record border).
   */
  limit?: number;
  /**
   * Only of the chunk's primary, and only if it has not been restarted: nothing behind this file offset was
   * acknowledged to the writer.
   */
  acknowledged?: number;
  /** The disk has failed: nothing can be sealed here, and what was found at the start may be in memory alone. */
  diskFailed?: boolean;
}

/** Master -> replica. Cuts the chunk to `length` (a record border it must have) and seals it for good. Idempotent. */
export interface SealRequest {
  handle: number;
  version: number;
  length: number;
}

/**
 * Master -> replica. Fetches a sealed chunk from the first of `sources`, verifies all of it, and replaces what is here. Where
 * a source is damaged or ends, the next one goes on from there: replicas are equal byte for byte. Idempotent.
 */
export interface CopyRequest {
  handle: number;
  version: number;
  length: number;
  /** 1 to COPY_SOURCES_MAX; the one that is asked itself may be among them. */
  sources: Replica[];
  /** What is here failed a checksum somewhere: it is replaced even where it looks whole. */
  damaged?: boolean;
}
export const COPY_SOURCES_MAX = 8;

/**
 * Master -> holder of a whole replica of the sealed chunk `source`: makes chunk `target` of some of its extents, from
 * its own file, and seals it at `version`. Body: for each extent to keep, in ascending order, u32 file offset and u32
 * payload bytes. Answer: meta CompactResponse; body = for each extent u32 new file offset and u32 checksum. All
 * replicas of `source` make equal files and answers. Idempotent.
 */
export interface CompactRequest {
  source: number;
  sourceVersion: number;
  sourceLength: number;
  target: number;
  version: number;
}
export interface CompactResponse {
  /** Of the sealed target, the seal not counted. */
  length: number;
}
/** Extents in one {@link CompactRequest}: 1 MiB of body. */
export const COMPACT_EXTENTS_MAX = 131_072;

/** Master -> chunkserver. Answer: ScrubControlResponse. */
export interface ScrubControlRequest {
  action: ScrubAction;
}
/** `now`: begin a round at once, or a paused one again. `pause` holds until `resume` or `now`, over restarts too. */
export type ScrubAction = "status" | "now" | "pause" | "resume";
export interface ScrubControlResponse extends ScrubProgress {
  paused: boolean;
  /** What a round reads at most; 0 where scrubs are off. */
  bytesPerSecond: number;
  /** When the next round begins, by the chunkserver's wall clock, ms; 0 while one runs or when scrubs are off. */
  nextAt: number;
}

/** Master -> replica: `remove`. Idempotent. Master or any: `stat` (answer ChunkStat). */
export interface HandleRequest {
  handle: number;
}

/** Chunkserver -> chunkserver. Raw file bytes for a copy; answer: body = at most 1 MiB of the file at `position`. */
export interface ReadFileRequest {
  handle: number;
  position: number;
}

/** Chunkserver -> master, first after connecting. */
export interface RegisterRequest extends LeasedReplica {
  totalBytes: number;
  freeBytes: number;
  /** As in {@link HeartbeatRequest}: no copy is to be planned to it. Absent from an older server. */
  diskFailed?: boolean;
  /** The furthest that a master of this cluster has come, as far as this server knows. Absent from an older server. */
  masterSeen?: MasterPoint;
}
export interface RegisterResponse {
  /** The master's wall clock, by which leases and capabilities expire. */
  masterNow: number;
  heartbeatMs: number;
  /** How far it has come. Absent from an older master. */
  reached?: MasterPoint;
}

export interface ChunkReport {
  handle: number;
  version: number;
  length: number;
  sealed: boolean;
}
/**
 * Chunkserver -> master: what it holds, in batches of at most REPORT_CHUNKS_MAX; `last` ends the full report. One follows
 * each registration; a later one begins with `begin` in a batch without chunks, and lists what is there behind its answer.
 */
export interface ReportRequest {
  begin?: boolean;
  chunks: ChunkReport[];
  last: boolean;
}
export const REPORT_CHUNKS_MAX = 1000;

export interface HeartbeatRequest {
  totalBytes: number;
  freeBytes: number;
  /** Replicas that failed a checksum, and whether the disk as a whole failed. */
  damaged: number[];
  diskFailed: boolean;
  /** Absent from a chunkserver of before scrubs. */
  scrub?: ScrubProgress;
  /** Absent likewise. */
  syncs?: SyncTotals;
}

/** The scrub round that runs, or the last one. A round runs while `startedAt` is after `finishedAt`. */
export interface ScrubProgress {
  /** Bytes of chunk files read in this round. */
  doneBytes: number;
  /** Bytes of chunk files that it is to read. */
  totalBytes: number;
  /** The chunkserver's wall clock, ms; 0: never. */
  startedAt: number;
  /** When the last whole round ended; 0: never. */
  finishedAt: number;
  /** Replicas that this round has found damaged. */
  damagedFound: number;
}

/** The group commits of chunk files since the chunkserver started: one write and one fdatasync each. */
export interface SyncTotals {
  count: number;
  /** Written by them. */
  bytes: number;
  /** Spent waiting for the fdatasyncs. */
  seconds: number;
}
export interface HeartbeatResponse {
  masterNow: number;
  /** As in {@link RegisterResponse}. */
  reached?: MasterPoint;
}
