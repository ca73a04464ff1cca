// The life of a multipart upload but for its completion: create, upload or copy a part, abort, list.
import type { UploadRecord } from "../../../../masterd/protocol/messages.ts";
import { PARTS_MAX } from "../../../../masterd/protocol/messages.ts";
import { hashedPayload } from "../../hashed-payload.ts";
import type { Stored } from "../../objects.ts";
import { requestedAttributes } from "../attributes.ts";
import type { Call } from "../call.ts";
import { checksumHeaders, checksumTags, requestedAlgorithm } from "../checksum-fields.ts";
import { authorizedSource, checkSourceConditions } from "../copy-source.ts";
import { S3Error } from "../errors.ts";
import type { S3Response } from "../http.ts";
import { emptyResponse, quote, xmlResponse } from "../http-response.ts";
import { CHECKSUM_ALGORITHMS, type ChecksumAlgorithm } from "../payload/checksum.ts";
import { BODY_LENGTH_MAX } from "../payload/declaration.ts";
import type { ByteRange } from "../range.ts";
import { isoTime, s3Document, tag } from "../xml-write.ts";
import { declaredAlgorithm, uploadBody } from "./put-object.ts";

/** POST /bucket/key?uploads */
export async function createMultipartUpload(call: Call): Promise<S3Response> {
  const checksumAlgorithm = requestedAlgorithm(call);
  const checksumType = requestedType(call, checksumAlgorithm);
  const { uploadId } = await call.store.master.createUpload({
    bucket: call.bucket,
    key: call.key,
    owner: call.caller.principal.userId,
    attributes: { ...requestedAttributes(call), checksums: {}, checksumType: checksumType ?? "FULL_OBJECT" },
    checksumAlgorithm,
    checksumType,
  });
  const headers: Record<string, string> = {};
  if (checksumAlgorithm) headers["x-amz-checksum-algorithm"] = checksumAlgorithm;
  if (checksumType) headers["x-amz-checksum-type"] = checksumType;
  return xmlResponse(
    s3Document(
      "InitiateMultipartUploadResult",
      tag("Bucket", call.bucket),
      tag("Key", call.key),
      tag("UploadId", uploadId),
    ),
    headers,
  );
}

/** "Checking object integrity", table of full object and composite types: CRC-64 knows only one, SHA only the other. */
function requestedType(call: Call, algorithm: ChecksumAlgorithm | undefined) {
  const type = call.header("x-amz-checksum-type")?.toUpperCase();
  if (type !== undefined && type !== "FULL_OBJECT" && type !== "COMPOSITE") {
    throw new S3Error("InvalidRequest", "Value for x-amz-checksum-type header is invalid.");
  }
  if (algorithm === undefined) {
    if (type === undefined) return undefined;
    throw new S3Error(
      "InvalidRequest",
      "The x-amz-checksum-type header can only be used with the x-amz-checksum-algorithm header.",
    );
  }
  const only =
    algorithm === "CRC64NVME" ? "FULL_OBJECT" : algorithm.startsWith("SHA") ? "COMPOSITE" : undefined;
  if (type !== undefined && only !== undefined && type !== only) {
    throw new S3Error(
      "InvalidRequest",
      `The ${type} checksum type cannot be used with the ${algorithm.toLowerCase()} checksum algorithm.`,
    );
  }
  return type ?? only ?? "COMPOSITE";
}

interface PartTarget {
  bucket: string;
  key: string;
  uploadId: string;
  partNumber: number;
}

function partTarget(call: Call): PartTarget {
  const text = call.query.get("partNumber") ?? "";
  const partNumber = /^\d{1,5}$/.test(text) ? Number(text) : 0;
  if (partNumber < 1 || partNumber > PARTS_MAX) {
    throw new S3Error(
      "InvalidArgument",
      `Part number must be an integer between 1 and ${PARTS_MAX}, inclusive`,
      {
        fields: { ArgumentName: "partNumber", ArgumentValue: text },
      },
    );
  }
  return { ...uploadTarget(call), partNumber };
}

export function uploadTarget(call: Call): { bucket: string; key: string; uploadId: string } {
  return { bucket: call.bucket, key: call.key, uploadId: call.query.get("uploadId") ?? "" };
}

/** PUT /bucket/key?partNumber&uploadId */
export async function uploadPart(call: Call): Promise<S3Response> {
  const target = partTarget(call);
  // Asked first, so that nobody sends 5 GiB to an upload that is over.
  const upload = await call.store.master.getUpload(target);
  const algorithm = uploadAlgorithm(upload);
  refuseOtherAlgorithm(algorithm, declaredAlgorithm(call));
  const part = await call.store.putPart(target, uploadBody(call, algorithm));
  return emptyResponse(200, {
    etag: quote(part.etag),
    ...checksumHeaders({ checksums: part.checksums }),
  });
}

function uploadAlgorithm(upload: UploadRecord): ChecksumAlgorithm | undefined {
  return CHECKSUM_ALGORITHMS.find((known) => known === upload.checksumAlgorithm);
}

/** A part has a checksum of its upload's algorithm: the client's own, or one worked out here; never another. */
function refuseOtherAlgorithm(expected?: ChecksumAlgorithm, declared?: ChecksumAlgorithm): void {
  if (expected === undefined || declared === undefined || expected === declared) return;
  throw new S3Error(
    "InvalidRequest",
    `Checksum Type mismatch occurred, expected checksum Type: ${expected.toLowerCase()}, actual checksum Type: ${declared.toLowerCase()}`,
  );
}

/** PUT /bucket/key?partNumber&uploadId with x-amz-copy-source: the bytes are read and written anew. */
export async function uploadPartCopy(call: Call): Promise<S3Response> {
  const target = partTarget(call);
  const source = await authorizedSource(call);
  const upload = await call.store.master.getUpload(target);
  const { object, read } = await call.store.open(source.bucket, source.key);
  checkSourceConditions(call, object);
  const { start, end } = sourceRange(call.header("x-amz-copy-source-range"), object.size);
  const algorithm = uploadAlgorithm(upload) ?? "CRC32";
  const part = await call.store.putPart(target, hashedPayload(read(start, end), end - start, algorithm));
  return xmlResponse(s3Document("CopyPartResult", ...copiedPart(part)));
}

function copiedPart(part: Stored): string[] {
  return [
    tag("LastModified", isoTime(part.modifiedAt)),
    tag("ETag", quote(part.etag)),
    checksumTags({ checksums: part.checksums }),
  ];
}

/** Unlike Range, this has to name a first and a last byte that are both there. */
function sourceRange(header: string | undefined, size: number): ByteRange {
  let range: ByteRange = { start: 0, end: size };
  if (header !== undefined) {
    const match = /^bytes=(\d+)-(\d+)$/.exec(header.trim());
    range = { start: Number(match?.[1]), end: Number(match?.[2]) + 1 };
    if (!(range.start < range.end)) {
      throw invalidRange(
        "The x-amz-copy-source-range value must be of the form bytes=first-last where first and last are the zero-based offsets of the first and last bytes to copy",
        header,
      );
    }
    if (range.end > size)
      throw invalidRange(`Range specified is not valid for source object of size: ${size}`, header);
  }
  if (range.end - range.start > BODY_LENGTH_MAX) {
    throw new S3Error(
      "InvalidRequest",
      `The specified copy source is larger than the maximum allowable size for a copy source: ${BODY_LENGTH_MAX}`,
    );
  }
  return range;
}

function invalidRange(message: string, value: string): S3Error {
  return new S3Error("InvalidArgument", message, {
    fields: { ArgumentName: "x-amz-copy-source-range", ArgumentValue: value },
  });
}

/** DELETE /bucket/key?uploadId */
export async function abortMultipartUpload(call: Call): Promise<S3Response> {
  await call.store.master.abortUpload(uploadTarget(call));
  return emptyResponse(204);
}
