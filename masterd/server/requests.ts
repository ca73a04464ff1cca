// The shape of every request: what comes over a wire is checked here once, and typed from then on.
import { z } from "zod";
import type { HeartbeatRequest, RegisterRequest, ReportRequest } from "../../chunkd/protocol/messages.ts";
import { REPORT_CHUNKS_MAX } from "../../chunkd/protocol/messages.ts";
import {
  CHUNK_HEADER_SIZE,
  CHUNK_SIZE_MAX,
  type Extent,
  extentEnd,
  HANDLE_MAX,
  SEAL_SIZE,
} from "../../chunkd/protocol/record.ts";
import { BACKUP_PIECE_MAX } from "../protocol/backup-record.ts";
import { ATTRIBUTES_SIZE_MAX, type Attributes, type MasterMethods, PARTS_MAX } from "../protocol/messages.ts";
import { MasterError } from "../store/errors.ts";

/** Longer than any legal key or prefix; the rules for keys themselves are the catalog's. */
const NAME_SIZE_MAX = 4096;
const LIST_MAX = 1000;
const DELETE_OBJECTS_MAX = 1000;
const ETAGS_MAX = 100;
const CHECKSUMS_MAX = 16;
/** Chunks opened in one call. */
const OPEN_COUNT_MAX = 64;
/** Handles named in one call. */
const HANDLES_MAX = 10_000;

const wellFormed = z
  .string()
  .max(NAME_SIZE_MAX)
  .refine((value) => value.isWellFormed(), "not valid Unicode");
const name = z.string().max(NAME_SIZE_MAX);
const id = z.string().min(1).max(256);
const time = z.int().min(0);
const size = z.int().min(0);
const handle = z.int().min(1).max(HANDLE_MAX);
const etag = z.string().regex(/^[0-9a-f]{32}(-[0-9]{1,5})?$/);
/** An empty list says as little as none: that is how gRPC spells an absent one. */
const etags = z
  .array(z.string().max(1024))
  .max(ETAGS_MAX)
  .optional()
  .transform((list) => (list?.length ? list : undefined));
const texts = z.record(z.string().max(1024), z.string());
/** Each of a few algorithms, in base64. */
const checksums = z
  .record(z.string().max(32), z.string().max(128))
  .refine((value) => Object.keys(value).length <= CHECKSUMS_MAX, `more than ${CHECKSUMS_MAX} checksums`);

const condition = z.object({ ifMatch: etags, ifNoneMatch: etags });
const sourceCondition = condition.extend({
  modifiedSince: time.optional(),
  unmodifiedSince: time.optional(),
});
const checksumType = z.enum(["FULL_OBJECT", "COMPOSITE"]).optional();

const attributes = z
  .object({ headers: texts, metadata: texts, checksums, checksumType })
  .refine((value) => attributesSize(value) <= ATTRIBUTES_SIZE_MAX, "attributes over 64 KiB");

function attributesSize({ headers, metadata, checksums }: Attributes): number {
  let total = 0;
  for (const map of [headers, metadata, checksums]) {
    for (const key in map) total += Buffer.byteLength(key) + Buffer.byteLength(map[key]!) + 6;
  }
  return total;
}

const extent = z.object({
  handle,
  offset: z.int().min(CHUNK_HEADER_SIZE).max(CHUNK_SIZE_MAX),
  length: z.int().min(1).max(CHUNK_SIZE_MAX),
  checksum: z.int().min(0).max(0xffff_ffff),
});

const objectData = z
  .object({ size, etag, extents: z.array(extent) })
  .refine(({ size: total, extents }) => total === sumOf(extents), "the extents do not add up to the size")
  .refine(
    ({ extents }) => extents.every((one) => extentEnd(one) <= CHUNK_SIZE_MAX - SEAL_SIZE),
    "an extent goes on behind its chunk",
  );

function sumOf(extents: readonly Extent[]): number {
  let total = 0;
  for (const { length } of extents) total += length;
  return total;
}

const object = { bucket: name, key: name };
const upload = { ...object, uploadId: id };
const partNumber = z.int().min(1).max(PARTS_MAX);
const max = z.int().min(0).max(LIST_MAX);
const handles = z.object({ handles: z.array(handle).max(HANDLES_MAX) });

const nothing = z.any().transform(() => null);

type Schemas = { [M in keyof MasterMethods]: z.ZodType<MasterMethods[M]["request"]> };

export const REQUESTS: Schemas = {
  createBucket: z.object({ name, owner: id }),
  deleteBucket: z.object({ name }),
  getBucket: z.object({ name }),
  setBucketOwner: z.object({ name, owner: id, newOwner: id }),
  listBuckets: z.object({
    owner: id.optional(),
    prefix: wellFormed.optional(),
    after: wellFormed.optional(),
    max: z.int().min(0).max(10_000),
  }),
  openChunks: z.object({ count: z.int().min(1).max(OPEN_COUNT_MAX) }),
  renewLeases: handles.extend({ uncommitted: z.array(handle).max(HANDLES_MAX).optional() }),
  closeChunks: handles,
  locate: handles,
  reportDamage: z.object({ handle, replica: id }),
  commitObject: z.object({ ...object, data: objectData, attributes, condition: condition.optional() }),
  getObject: z.object(object),
  headObject: z.object(object),
  deleteObject: z.object({ ...object, condition: condition.optional() }),
  deleteObjects: z.object({
    bucket: name,
    objects: z.array(z.object({ key: name, condition: condition.optional() })).max(DELETE_OBJECTS_MAX),
  }),
  copyObject: z.object({
    source: z.object(object),
    sourceCondition: sourceCondition.optional(),
    ...object,
    attributes: attributes.optional(),
    condition: condition.optional(),
  }),
  listObjects: z.object({
    bucket: name,
    prefix: wellFormed.optional(),
    delimiter: wellFormed.optional(),
    after: wellFormed.optional(),
    max,
  }),
  createUpload: z.object({
    ...object,
    owner: id,
    attributes,
    checksumAlgorithm: z.string().max(32).optional(),
    checksumType,
  }),
  getUpload: z.object(upload),
  commitPart: z.object({ ...upload, partNumber, data: objectData, checksums }),
  completeUpload: z.object({
    ...upload,
    parts: z
      .array(z.object({ partNumber: z.int(), etag: z.string().max(1024) }))
      .min(1)
      .max(PARTS_MAX),
    checksums,
    condition: condition.optional(),
  }),
  abortUpload: z.object(upload),
  listParts: z.object({ ...upload, after: z.int().min(0).max(PARTS_MAX), max }),
  listUploads: z.object({
    bucket: name,
    prefix: wellFormed.optional(),
    delimiter: wellFormed.optional(),
    after: z.object({ key: wellFormed, uploadId: id.optional() }).optional(),
    max,
  }),
  status: nothing,
  listChunkservers: nothing,
  drainChunkserver: z.object({ id }),
  undrainChunkserver: z.object({ id }),
  removeChunkserver: z.object({ id, force: z.boolean().optional() }),
  discardOrphans: nothing,
  scrubChunkserver: z.object({ id, action: z.enum(["status", "now", "pause", "resume"]) }),
  beginBackup: nothing,
  readBackup: z.object({ id, offset: size, length: z.int().min(1).max(BACKUP_PIECE_MAX) }),
  endBackup: z.object({ id }),
};

const bytes = { totalBytes: size, freeBytes: size };

export const REGISTER: z.ZodType<RegisterRequest> = z.object({
  id,
  address: z.string().min(1).max(512),
  incarnation: size,
  ...bytes,
  diskFailed: z.boolean().optional(),
  masterSeen: z.object({ restoredAt: time, sequence: size }).optional(),
});

export const REPORT: z.ZodType<ReportRequest> = z.object({
  begin: z.boolean().optional(),
  chunks: z
    .array(z.object({ handle, version: z.int().min(0), length: z.int().min(0), sealed: z.boolean() }))
    .max(REPORT_CHUNKS_MAX),
  last: z.boolean(),
});

export const HEARTBEAT: z.ZodType<HeartbeatRequest> = z.object({
  ...bytes,
  damaged: z.array(handle).max(HANDLES_MAX),
  diskFailed: z.boolean(),
  scrub: z
    .object({ doneBytes: size, totalBytes: size, startedAt: time, finishedAt: time, damagedFound: size })
    .optional(),
  syncs: z.object({ count: size, bytes: size, seconds: z.number().min(0) }).optional(),
});

/** Throws `BAD_REQUEST` that names the first field that is wrong. */
export function parseRequest<T>(schema: z.ZodType<T>, meta: unknown): T {
  const result = schema.safeParse(meta);
  if (result.success) return result.data;
  const issue = result.error.issues[0]!;
  throw new MasterError("BAD_REQUEST", `${issue.path.join(".") || "request"}: ${issue.message}`);
}
