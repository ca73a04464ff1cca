import { createHash } from "node:crypto";
import { type MasterMethods, PART_SIZE_MIN, PARTS_MAX, type UploadRecord } from "../protocol/messages.ts";
import { MasterError } from "../store/errors.ts";
import { checkPresent, putObject } from "./apply-objects.ts";
import type { Catalog } from "./catalog.ts";
import type { CommandOf, CommandResults } from "./commands.ts";
import { keyBytes } from "./names.ts";
import type { StoredPart } from "./upload-table.ts";

type UploadCommandType = "createUpload" | "commitPart" | "completeUpload" | "abortUpload" | "abandonUpload";
type UploadCommand = CommandOf<UploadCommandType>;
type Completion = MasterMethods["completeUpload"]["response"];

export function applyUploadCommand(
  catalog: Catalog,
  command: UploadCommand,
): CommandResults[UploadCommandType] {
  switch (command.type) {
    case "createUpload":
      return createUpload(catalog, command);
    case "commitPart":
      return commitPart(catalog, command);
    case "completeUpload":
      return completeUpload(catalog, command);
    case "abortUpload":
      return abortUpload(catalog, command);
    case "abandonUpload":
      return abandonUpload(catalog, command);
  }
}

function createUpload(catalog: Catalog, command: CommandOf<"createUpload">): { uploadId: string } {
  const { uploadId, key, at, owner, attributes, checksumAlgorithm, checksumType } = command;
  const bucket = catalog.buckets.id(command.bucket);
  keyBytes(key);
  if (catalog.uploads.hasId(uploadId)) throw new MasterError("BAD_REQUEST", "this upload id is taken");
  const upload: UploadRecord = { uploadId, key, initiatedAt: at, owner, attributes };
  if (checksumAlgorithm !== undefined) upload.checksumAlgorithm = checksumAlgorithm;
  if (checksumType !== undefined) upload.checksumType = checksumType;
  catalog.uploads.add(bucket, upload);
  return { uploadId };
}

function commitPart(catalog: Catalog, command: CommandOf<"commitPart">): { modifiedAt: number } {
  const { uploads, chunks } = catalog;
  const { key, uploadId, partNumber, data, checksums, at } = command;
  uploads.get(catalog.buckets.id(command.bucket), key, uploadId);
  if (partNumber < 1 || partNumber > PARTS_MAX) {
    throw new MasterError("BAD_REQUEST", `a part number is from 1 to ${PARTS_MAX}`);
  }
  chunks.checkExtents(data.extents);
  const present = uploads.part(uploadId, partNumber);
  chunks.refer(data.extents);
  uploads.putPart(uploadId, { partNumber, ...data, modifiedAt: at, checksums });
  if (present) chunks.unrefer(present.extents);
  return { modifiedAt: at };
}

function completeUpload(catalog: Catalog, command: CommandOf<"completeUpload">): Completion {
  const { buckets, uploads, chunks } = catalog;
  const { key, uploadId, condition, at } = command;
  const bucket = buckets.id(command.bucket);
  const digest = completionDigest(command);
  const upload = uploads.find(bucket, key, uploadId);
  if (!upload) return rememberedCompletion(catalog, uploadId, digest);

  const stored = new Map(uploads.parts(uploadId, 0, PARTS_MAX).map((part) => [part.partNumber, part]));
  const parts = chooseParts(command.parts, stored);
  checkPresent(catalog, bucket, key, condition);

  const attributes = { ...upload.attributes, checksums: command.checksums };
  if (upload.checksumType !== undefined) attributes.checksumType = upload.checksumType;
  const etag = joinedEtag(parts);
  const size = parts.reduce((sum, part) => sum + part.size, 0);
  const extents = parts.flatMap((part) => part.extents);
  const sizes = parts.map((part) => part.size);
  putObject(catalog, bucket, { key, size, etag, extents, modifiedAt: at, attributes, parts: sizes });
  for (const part of stored.values()) chunks.unrefer(part.extents);
  uploads.delete(bucket, key, uploadId);
  const response = { etag, modifiedAt: at, size, attributes };
  uploads.remember(uploadId, at, digest, response);
  return response;
}

/** Whoever repeats a completion whose answer was lost is told the same again (F33). */
function rememberedCompletion({ uploads }: Catalog, uploadId: string, digest: string): Completion {
  const done = uploads.completion(uploadId);
  if (done?.request === digest) return done.response;
  throw new MasterError("NO_SUCH_UPLOAD", "there is no such upload: it was completed or aborted");
}

function completionDigest({ bucket, key, parts }: CommandOf<"completeUpload">): string {
  const text = JSON.stringify([bucket, key, parts.map(({ partNumber, etag }) => [partNumber, etag])]);
  return createHash("sha256").update(text).digest("hex");
}

function chooseParts(
  wanted: readonly { partNumber: number; etag: string }[],
  stored: ReadonlyMap<number, StoredPart>,
): StoredPart[] {
  for (const [index, { partNumber }] of wanted.entries()) {
    if (index > 0 && partNumber <= wanted[index - 1]!.partNumber) {
      throw new MasterError("INVALID_PART_ORDER", "parts are listed in ascending order of their numbers");
    }
  }
  const chosen = wanted.map(({ partNumber, etag }) => {
    const part = stored.get(partNumber);
    if (part?.etag === etag) return part;
    const why = part ? "has another etag" : "was not uploaded";
    throw new MasterError("INVALID_PART", `part ${partNumber} ${why}`, { partNumber });
  });
  for (const { partNumber, size } of chosen.slice(0, -1)) {
    if (size >= PART_SIZE_MIN) continue;
    throw new MasterError(
      "PART_TOO_SMALL",
      `part ${partNumber} has ${size} bytes: all but the last need 5 MiB`,
      {
        partNumber,
        size,
        minimum: PART_SIZE_MIN,
      },
    );
  }
  return chosen;
}

/** S3's multipart etag: the MD5 of the parts' MD5s, then "-" and their count. */
function joinedEtag(parts: readonly StoredPart[]): string {
  const md5 = createHash("md5");
  for (const { etag } of parts) md5.update(Buffer.from(etag, "hex"));
  return `${md5.digest("hex")}-${parts.length}`;
}

/** Between the look that found the upload idle and this a part may have come. */
function abandonUpload(catalog: Catalog, command: CommandOf<"abandonUpload">): null {
  const { uploadId, idleSince } = command;
  if (catalog.uploads.lastPartAt(uploadId) >= idleSince) {
    throw new MasterError("BAD_REQUEST", "this upload goes on");
  }
  return abortUpload(catalog, command);
}

function abortUpload(catalog: Catalog, command: CommandOf<"abortUpload" | "abandonUpload">): null {
  const bucket = catalog.buckets.id(command.bucket);
  catalog.uploads.get(bucket, command.key, command.uploadId);
  dropUpload(catalog, bucket, command.key, command.uploadId);
  return null;
}

/** Ends an upload without an object: its parts' data is garbage. */
export function dropUpload(
  { uploads, chunks }: Catalog,
  bucket: number,
  key: string,
  uploadId: string,
): void {
  for (const part of uploads.parts(uploadId, 0, PARTS_MAX)) chunks.unrefer(part.extents);
  uploads.delete(bucket, key, uploadId);
}
