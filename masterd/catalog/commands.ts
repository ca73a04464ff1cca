// Every change of the catalog, as plain data: what the journal holds and `apply` takes. Time and ids are chosen before
// a command is made, so that applying it again gives the same catalog. Names of types and fields are on-disk format.
import type { Bucket, MasterMethods, ServerState } from "../protocol/messages.ts";

/** Where an extent lies after a compaction. */
export interface MovedExtent {
  offset: number;
  length: number;
  checksum: number;
  newOffset: number;
  newChecksum: number;
}

type Request<M extends keyof MasterMethods> = MasterMethods[M]["request"];

interface Timed {
  /** When the master took it up, ms since the epoch. */
  at: number;
}

export interface CommandTypes {
  createBucket: Request<"createBucket"> & Timed;
  deleteBucket: Request<"deleteBucket"> & Timed;
  setBucketOwner: Request<"setBucketOwner"> & Timed;
  openChunks: { chunks: { handle: number; members: string[] }[] } & Timed;
  /** `version` is the one that fenced the writer off. */
  sealChunk: { handle: number; version: number; length: number } & Timed;
  /** A chunk that the holders of `source` have built out of what is live there, sealed from its first moment on. */
  addCompacted: {
    handle: number;
    source: number;
    version: number;
    length: number;
    members: string[];
  } & Timed;
  /**
   * Objects and parts that still refer to exactly one of `extents` of `source` refer to `target` from now on; what has
   * changed meanwhile is passed over. `bucket` is the tables' own number.
   */
  moveExtents: {
    source: number;
    target: number;
    extents: MovedExtent[];
    objects: { bucket: number; key: string }[];
    parts: { uploadId: string; partNumber: number }[];
  } & Timed;
  /** A chunkserver registered for the first time. */
  addServer: { server: string } & Timed;
  setServerState: { server: string; state: ServerState } & Timed;
  /**
   * The catalog may be older than what the chunkservers hold (it was restored): chunks unknown to it wait for the
   * operator's word. `hold` false: that word.
   */
  holdOrphans: { hold: boolean } & Timed;
  /** Sealed chunks that no object refers to, and open ones that never got data: never to be used again. */
  deleteChunks: { handles: number[] } & Timed;
  /** No replica is left of these. */
  forgetChunks: { handles: number[] } & Timed;
  commitObject: Request<"commitObject"> & Timed;
  deleteObject: Request<"deleteObject"> & Timed;
  copyObject: Request<"copyObject"> & Timed;
  createUpload: Request<"createUpload"> & Timed & { uploadId: string };
  commitPart: Request<"commitPart"> & Timed;
  completeUpload: Request<"completeUpload"> & Timed;
  abortUpload: Request<"abortUpload"> & Timed;
  /** As abortUpload, but refused when anything was uploaded since `idleSince` (ms since the epoch). */
  abandonUpload: Request<"abortUpload"> & { idleSince: number } & Timed;
}

export type CommandType = keyof CommandTypes;
export type Command = { [T in CommandType]: { type: T } & CommandTypes[T] }[CommandType];
export type CommandOf<T extends CommandType> = Extract<Command, { type: T }>;

type Response<T> = T extends keyof MasterMethods ? MasterMethods[T]["response"] : null;
interface OwnResults {
  createBucket: Bucket;
  openChunks: null;
  moveExtents: { moved: number };
}
export type CommandResults = {
  [T in CommandType]: T extends keyof OwnResults ? OwnResults[T] : Response<T>;
};

/** Taken when the master's disk is full, from its reserve: they free space, or are needed for what does. */
export const TAKEN_WHEN_FULL: ReadonlySet<CommandType> = new Set([
  "sealChunk",
  "deleteBucket",
  "deleteChunks",
  "forgetChunks",
  "deleteObject",
  "abortUpload",
  "abandonUpload",
  "setServerState",
]);

/** The names that a command changes, by which readers tell whether to wait for it. */
export function changedNames(command: Command): string[] {
  switch (command.type) {
    case "createBucket":
    case "deleteBucket":
    case "setBucketOwner":
      return [bucketName(command.name)];
    case "commitObject":
    case "deleteObject":
    case "copyObject":
      return [objectName(command.bucket, command.key)];
    case "completeUpload":
      return [objectName(command.bucket, command.key), uploadName(command.uploadId)];
    case "createUpload":
    case "commitPart":
    case "abortUpload":
    case "abandonUpload":
      return [uploadName(command.uploadId)];
    // Where an object's bytes lie is no change of the object: the old place and the new one are both durable.
    case "moveExtents":
    case "addCompacted":
    case "addServer":
    case "setServerState":
    case "holdOrphans":
    case "openChunks":
    case "sealChunk":
    case "deleteChunks":
    case "forgetChunks":
      return [];
  }
}

export const bucketName = (bucket: string): string => `b/${bucket}`;
export const objectName = (bucket: string, key: string): string => `o/${bucket}/${key}`;
export const uploadName = (uploadId: string): string => `u/${uploadId}`;
