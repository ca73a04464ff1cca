// What the storage API asks of the master. Each method travels as one frame of chunkd/protocol: its opcode is METHODS'
// entry, its meta the request, the answer's meta the response; the same methods are served by gRPC (master.proto).
// Keys are valid UTF-8 without NUL, 1..1024 bytes; the order of keys is that of their UTF-8 bytes.
import {
  COMPACT_EXTENTS_MAX,
  type LeasedReplica,
  type Replica,
  type ScrubAction,
  type ScrubControlResponse,
  type ScrubProgress,
  type SyncTotals,
} from "../../chunkd/protocol/messages.ts";
import type { Extent } from "../../chunkd/protocol/record.ts";
import type { BackupRecord } from "./backup-record.ts";

export interface Bucket {
  name: string;
  /** The owner's user id. */
  owner: string;
  /** ms since the epoch. */
  createdAt: number;
}

/**
 * What the API keeps with an object and the master does not look into: response headers by lower-case name
 * ("content-type"), user metadata, checksums by algorithm. At most ATTRIBUTES_SIZE_MAX bytes as msgpack.
 */
export interface Attributes {
  headers: Record<string, string>;
  metadata: Record<string, string>;
  /** e.g. {"CRC32": "<base64>"}; for a composite multipart checksum with its "-N". */
  checksums: Record<string, string>;
  checksumType?: "FULL_OBJECT" | "COMPOSITE";
}
export const ATTRIBUTES_SIZE_MAX = 64 << 10;

/** An object's data as the writer hands it over: its extents in order, and what they amount to. */
export interface ObjectData {
  size: number;
  /** Hex MD5 (with -N for multipart), without quotes. */
  etag: string;
  extents: Extent[];
}

export interface ObjectRecord extends ObjectData {
  key: string;
  /** ms since the epoch. */
  modifiedAt: number;
  attributes: Attributes;
  /** Sizes of the parts of a multipart object, in part order; absent for a plain one. */
  parts?: number[];
}

export interface ListedObject {
  key: string;
  size: number;
  etag: string;
  modifiedAt: number;
  checksumAlgorithms?: string[];
}

/**
 * A precondition on the key's present object. Etags are without quotes; "*" stands for any object; an empty list is no
 * condition. `ifMatch` on an absent key is NO_SUCH_KEY, as S3 answers it; every other failure PRECONDITION_FAILED.
 */
export interface Condition {
  ifMatch?: string[];
  ifNoneMatch?: string[];
}

/** The right to append to a chunk until `expiresAt` (the master's clock), renewable. */
export interface Lease {
  handle: number;
  version: number;
  /** Primary first. */
  replicas: LeasedReplica[];
  capability: Uint8Array;
  /** Wall clock of the master, ms; part of what the capability signs. */
  expiresAt: number;
  /** ms from now, for a holder whose clock differs. */
  validForMs: number;
}

/** Where the replicas of each chunk of some extents are now; fewest-loaded first. */
export type Locations = Record<number, Replica[]>;

export interface UploadRecord {
  uploadId: string;
  key: string;
  initiatedAt: number;
  owner: string;
  attributes: Attributes;
  /** The checksum algorithm that CreateMultipartUpload named, if any, e.g. "CRC32". */
  checksumAlgorithm?: string;
  checksumType?: "FULL_OBJECT" | "COMPOSITE";
}

export interface PartRecord {
  partNumber: number;
  size: number;
  etag: string;
  modifiedAt: number;
  checksums: Record<string, string>;
}

export interface ListRequest {
  bucket: string;
  prefix?: string;
  delimiter?: string;
  /** Start behind this key (exclusive). A continuation passes what `next` said. */
  after?: string;
  /** Objects and common prefixes together; 0..1000. */
  max: number;
}
export interface ListResponse {
  objects: ListedObject[];
  commonPrefixes: string[];
  /** Present when there is more: the `after` of the next page (the last key, or the last common prefix). */
  next?: string;
}

/** What the operator wants of a chunkserver; `drained` follows by itself once nothing is left on a draining one. */
export type ServerState = "active" | "draining" | "drained" | "removed";

export interface ServerStatus {
  id: string;
  /** Empty for one that has not come since the master started. */
  address: string;
  alive: boolean;
  state: ServerState;
  /** Its disk failed: it reads what it can, and holds nothing that counts. */
  diskFailed: boolean;
  totalBytes: number;
  freeBytes: number;
  chunks: number;
  /** -1 for one that has not come since the master started. */
  lastSeenMs: number;
  /** Null until it has told. */
  scrub: ScrubProgress | null;
  syncs: SyncTotals | null;
}

/** A chunkserver as its operator sees it. */
export interface ChunkserverInfo {
  id: string;
  /** Null for one that has not come since the master started. */
  address: string | null;
  state: ServerState;
  alive: boolean;
  diskFailed: boolean;
  /** Replicas there, and the sum of their lengths. */
  chunks: number;
  bytes: number;
  totalBytes: number;
  freeBytes: number;
  lastSeenMs: number | null;
  /** Chunks that still need it: a drain is done at 0. */
  leftBehind: number;
  /** Why its drain does not go on; null while it does. */
  waitsFor: string | null;
}

/** How the chunks are, and what is being done about it. Counts of bytes are of chunk lengths. */
export interface ChunksStatus {
  open: number;
  sealed: number;
  deleting: number;
  /** Sealed chunks by the number of good replicas on servers that answer: [0] none, ... [4] four or more. */
  byReplicas: number[];
  /** Sealed chunks with fewer than three, and the bytes of the replicas that they lack. */
  underReplicated: number;
  underReplicatedBytes: number;
}
export interface RepairStatus {
  /** Chunks that something can be done for now, and copies under way. */
  queued: number;
  active: number;
  /** By copies of repairs, drains and moves since the master started. */
  copiedBytes: number;
  /** Lately. */
  bytesPerSecond: number;
  /** Of these, by moves from full servers to empty ones. */
  rebalancedBytes: number;
  /** So many servers are away that nothing is copied to new places. */
  holding: boolean;
}
export interface GarbageStatus {
  /** Of sealed chunks: their lengths, what objects refer to, the rest. As of the last look, seconds ago. */
  storedBytes: number;
  liveBytes: number;
  deadBytes: number;
  /** Chunks being compacted now. */
  compacting: number;
  /** Chunks compacted, and bytes freed by it, since the master started. */
  compacted: number;
  compactedBytes: number;
  /** What is deleted is freed sooner, because the disks are nearly full. */
  spaceIsShort: boolean;
}
/** Replicas of chunks that the master does not know. */
export interface OrphansStatus {
  count: number;
  bytes: number;
  /** Why they wait for the operator's word: discardOrphans. */
  held: "catalog-restored" | "too-many" | null;
}

/** Every call: its request and its response. */
export interface MasterMethods {
  createBucket: { request: { name: string; owner: string }; response: Bucket };
  deleteBucket: { request: { name: string }; response: null };
  getBucket: { request: { name: string }; response: Bucket };
  /** Gives the bucket of `owner` to `newOwner`; one that has it already keeps it. `PRECONDITION_FAILED` for anybody else's. */
  setBucketOwner: { request: { name: string; owner: string; newOwner: string }; response: Bucket };
  /** `owner` absent: everybody's. Ordered by name. */
  listBuckets: {
    request: { owner?: string; prefix?: string; after?: string; max: number };
    response: { buckets: Bucket[]; next?: string };
  };

  /** New open chunks on distinct live chunkservers, at least 2 and if there are 3, 3. */
  openChunks: { request: { count: number }; response: { leases: Lease[] } };
  /**
   * A lease that is over, or whose chunk has lost a server, is left out of the answer: retire that chunk.
   * `uncommitted`: chunks, whether still leased or not, with data that the caller may yet commit. They are not
   * collected for a minute from now on; without that word a commit of what was sealed long ago may be refused.
   */
  renewLeases: { request: { handles: number[]; uncommitted?: number[] }; response: { leases: Lease[] } };
  /** The holder is done with these (or saw a replica drop out): the master fences and seals them. */
  closeChunks: { request: { handles: number[] }; response: null };
  /** Present replicas, for a reader whose locations failed it. */
  locate: { request: { handles: number[] }; response: { locations: Locations } };
  /** A replica gave bytes that fail their checksum. */
  reportDamage: { request: { handle: number; replica: string }; response: null };

  /** Atomic; the linearization point of a PUT. */
  commitObject: {
    request: { bucket: string; key: string; data: ObjectData; attributes: Attributes; condition?: Condition };
    response: { modifiedAt: number };
  };
  getObject: {
    request: { bucket: string; key: string };
    response: { object: ObjectRecord; locations: Locations };
  };
  /** As getObject without extents and locations. */
  headObject: {
    request: { bucket: string; key: string };
    response: { object: Omit<ObjectRecord, "extents"> };
  };
  /** Deleting an absent key succeeds with `deleted: false`. */
  deleteObject: {
    request: { bucket: string; key: string; condition?: Condition };
    response: { deleted: boolean };
  };
  /** At most 1000 keys; atomic each, not together. */
  deleteObjects: {
    request: { bucket: string; objects: { key: string; condition?: Condition }[] };
    response: {
      results: { key: string; deleted: boolean; error?: { code: MasterErrorCode; message: string } }[];
    };
  };
  /**
   * Makes the destination refer to the source's extents: no byte is moved. `attributes` absent: the source's.
   * `sourceCondition` is checked against the source, `condition` against the destination, in the same step.
   */
  copyObject: {
    request: {
      source: { bucket: string; key: string };
      sourceCondition?: Condition & { modifiedSince?: number; unmodifiedSince?: number };
      bucket: string;
      key: string;
      attributes?: Attributes;
      condition?: Condition;
    };
    response: { etag: string; modifiedAt: number; attributes: Attributes };
  };
  listObjects: { request: ListRequest; response: ListResponse };

  createUpload: {
    request: {
      bucket: string;
      key: string;
      owner: string;
      attributes: Attributes;
      checksumAlgorithm?: string;
      checksumType?: "FULL_OBJECT" | "COMPOSITE";
    };
    response: { uploadId: string };
  };
  getUpload: { request: { bucket: string; key: string; uploadId: string }; response: UploadRecord };
  /** A part uploaded again replaces the earlier one. */
  commitPart: {
    request: {
      bucket: string;
      key: string;
      uploadId: string;
      partNumber: number;
      data: ObjectData;
      checksums: Record<string, string>;
    };
    response: { modifiedAt: number };
  };
  /**
   * Joins the parts, in the order given, into the object; etag = md5 of the parts' md5s, "-N". Atomic. Repeated with
   * the same parts after it succeeded, it answers the same again. `checksums` are the whole object's, worked out by
   * the API from the parts' (which it got from listParts).
   */
  completeUpload: {
    request: {
      bucket: string;
      key: string;
      uploadId: string;
      parts: { partNumber: number; etag: string }[];
      checksums: Record<string, string>;
      condition?: Condition;
    };
    response: { etag: string; modifiedAt: number; size: number; attributes: Attributes };
  };
  abortUpload: { request: { bucket: string; key: string; uploadId: string }; response: null };
  listParts: {
    request: { bucket: string; key: string; uploadId: string; after: number; max: number };
    response: { upload: UploadRecord; parts: PartRecord[]; next?: number };
  };
  /** Ordered by key, then uploadId. */
  listUploads: {
    request: {
      bucket: string;
      prefix?: string;
      delimiter?: string;
      after?: { key: string; uploadId?: string };
      max: number;
    };
    response: {
      uploads: UploadRecord[];
      commonPrefixes: string[];
      next?: { key: string; uploadId?: string };
    };
  };

  status: {
    request: null;
    response: {
      clusterId: string;
      servers: ServerStatus[];
      buckets: number;
      objects: number;
      chunks: ChunksStatus;
      repair: RepairStatus;
      garbage: GarbageStatus;
      orphans: OrphansStatus;
      /** Chunks that writers may append to. */
      leases: number;
      journal: { sequence: number; bytes: number };
      /** What the journal took since the start, `bytes` of commands. */
      commits: { batches: number; commands: number; bytes: number };
    };
  };
  listChunkservers: { request: null; response: { servers: ChunkserverInfo[] } };
  /** No new chunks there from now on, and what it has is copied elsewhere; then it is `drained`. */
  drainChunkserver: { request: { id: string }; response: ChunkserverInfo };
  /** It may have chunks again, also one that was removed. */
  undrainChunkserver: { request: { id: string }; response: ChunkserverInfo };
  /**
   * Its replicas count no more. SERVER_STATE unless it is drained, or with `force` at least does not answer. `lost`:
   * chunks whose last whole replica that was known was there.
   */
  removeChunkserver: {
    request: { id: string; force?: boolean };
    response: ChunkserverInfo & { lost: number };
  };
  /** The operator's word that what is an orphan now may be removed. */
  discardOrphans: { request: null; response: { count: number } };
  /** SERVER_STATE for one that does not answer, BAD_REQUEST where its scrubs are off. */
  scrubChunkserver: { request: { id: string; action: ScrubAction }; response: ScrubControlResponse };
  /** The catalog as it is now, to be read in pieces: one backup at a time. It is given up when nobody reads for 60 s. */
  beginBackup: { request: null; response: BackupRecord };
  /** At most `length` bytes (up to BACKUP_PIECE_MAX) of the catalog file; none at its end. */
  readBackup: { request: { id: string; offset: number; length: number }; response: { bytes: Uint8Array } };
  endBackup: { request: { id: string }; response: null };
}

export type MasterMethod = keyof MasterMethods;

/** Opcode of each method. Numbers are wire format: never reuse one. */
export const METHODS: Record<MasterMethod, number> = {
  createBucket: 100,
  deleteBucket: 101,
  getBucket: 102,
  listBuckets: 103,
  setBucketOwner: 104,
  openChunks: 110,
  renewLeases: 111,
  closeChunks: 112,
  locate: 113,
  reportDamage: 114,
  commitObject: 120,
  getObject: 121,
  headObject: 122,
  deleteObject: 123,
  deleteObjects: 124,
  copyObject: 125,
  listObjects: 126,
  createUpload: 130,
  getUpload: 131,
  commitPart: 132,
  completeUpload: 133,
  abortUpload: 134,
  listParts: 135,
  listUploads: 136,
  status: 150,
  listChunkservers: 160,
  drainChunkserver: 161,
  undrainChunkserver: 162,
  removeChunkserver: 163,
  discardOrphans: 164,
  scrubChunkserver: 165,
  beginBackup: 170,
  readBackup: 171,
  endBackup: 172,
};

export type MasterErrorCode =
  | "NO_SUCH_BUCKET"
  | "BUCKET_EXISTS" // detail: {owner}
  | "BUCKET_NOT_EMPTY"
  | "INVALID_BUCKET_NAME"
  | "NO_SUCH_KEY"
  | "INVALID_KEY"
  | "NO_SUCH_UPLOAD"
  | "INVALID_PART" // a listed part that was not uploaded, or whose etag differs
  | "INVALID_PART_ORDER"
  | "PART_TOO_SMALL" // detail: {partNumber, size, minimum}
  | "PRECONDITION_FAILED"
  | "NOT_MODIFIED" // a source condition of a copy that says "only if changed"
  | "STALE_EXTENT" // an extent of a chunk that is unknown, or sealed short of it: write the data again
  | "NOT_ENOUGH_SERVERS" // fewer than 2 live chunkservers
  | "LEASE_EXPIRED"
  | "NO_SPACE" // the disks of the chunkservers, or the master's own, are full: deletes and reads go on
  | "NO_SUCH_SERVER"
  | "SERVER_STATE" // what was asked of a chunkserver does not go with the state it is in
  | "NOT_READY" // starting, or refusing to serve a damaged store
  | "BAD_REQUEST";

/** Largest frame meta between API and master: a LIST page of 1000 keys of 1 KiB, a completion of 10,000 parts. */
export const MASTER_LIMITS = { metaSizeMax: 32 << 20, bodySizeMax: 0 };
/** What the master takes: chunkservers answer compactions with a body. */
export const MASTER_SERVER_LIMITS = { ...MASTER_LIMITS, bodySizeMax: 8 * COMPACT_EXTENTS_MAX };
/** S3's minimum for all parts but the last, bytes. */
export const PART_SIZE_MIN = 5 << 20;
export const PARTS_MAX = 10_000;
