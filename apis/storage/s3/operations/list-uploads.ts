import { PARTS_MAX } from "../../../../masterd/protocol/messages.ts";
import type { Call } from "../call.ts";
import { checksumTags } from "../checksum-fields.ts";
import type { S3Response } from "../http.ts";
import { quote, xmlResponse } from "../http-response.ts";
import { PAGE_MAX } from "../limits.ts";
import { keyEncoding } from "../listing-token.ts";
import { ownerBranch, ownerFields } from "../owner-fields.ts";
import { branch, isoTime, s3Document, tag } from "../xml-write.ts";
import { uploadTarget } from "./multipart.ts";

/** GET /bucket/key?uploadId */
export async function listParts(call: Call): Promise<S3Response> {
  const { principal } = call.caller;
  const after = call.count("part-number-marker", 0, PARTS_MAX, 0);
  const max = call.count("max-parts", 0, PAGE_MAX, PAGE_MAX);
  const encode = keyEncoding(call.query.get("encoding-type"));
  const { upload, parts, next } = await call.store.master.listParts({ ...uploadTarget(call), after, max });
  const rows = parts.map((part) =>
    branch(
      "Part",
      tag("PartNumber", part.partNumber),
      tag("LastModified", isoTime(part.modifiedAt)),
      tag("ETag", quote(part.etag)),
      tag("Size", part.size),
      checksumTags({ checksums: part.checksums }),
    ),
  );
  return xmlResponse(
    s3Document(
      "ListPartsResult",
      tag("Bucket", call.bucket),
      tag("Key", encode(call.key)),
      tag("UploadId", upload.uploadId),
      branch("Initiator", ownerFields(upload.owner, principal)),
      ownerBranch(call.bucketOwner, principal),
      tag("StorageClass", "STANDARD"),
      tag("ChecksumAlgorithm", upload.checksumAlgorithm),
      tag("ChecksumType", upload.checksumType),
      tag("PartNumberMarker", after),
      tag("NextPartNumberMarker", max === 0 ? undefined : next),
      tag("MaxParts", max),
      tag("IsTruncated", max > 0 && next !== undefined),
      ...rows,
    ),
  );
}

/** GET /bucket?uploads */
export async function listMultipartUploads(call: Call): Promise<S3Response> {
  const { principal } = call.caller;
  const max = call.count("max-uploads", 0, PAGE_MAX, PAGE_MAX);
  const encode = keyEncoding(call.query.get("encoding-type"));
  const prefix = call.query.get("prefix") || undefined;
  const delimiter = call.query.get("delimiter") || undefined;
  const keyMarker = call.query.get("key-marker") || undefined;
  // Without a key marker an upload marker is ignored (ListMultipartUploads, "upload-id-marker").
  const uploadIdMarker = keyMarker && (call.query.get("upload-id-marker") || undefined);
  const { uploads, commonPrefixes, next } = await call.store.master.listUploads({
    bucket: call.bucket,
    prefix,
    delimiter,
    after: keyMarker === undefined ? undefined : { key: keyMarker, uploadId: uploadIdMarker },
    max,
  });
  const more = max === 0 ? undefined : next;
  const rows = uploads.map((upload) =>
    branch(
      "Upload",
      tag("Key", encode(upload.key)),
      tag("UploadId", upload.uploadId),
      branch("Initiator", ownerFields(upload.owner, principal)),
      ownerBranch(call.bucketOwner, principal),
      tag("StorageClass", "STANDARD"),
      tag("Initiated", isoTime(upload.initiatedAt)),
      tag("ChecksumAlgorithm", upload.checksumAlgorithm),
      tag("ChecksumType", upload.checksumType),
    ),
  );
  return xmlResponse(
    s3Document(
      "ListMultipartUploadsResult",
      tag("Bucket", call.bucket),
      tag("KeyMarker", encode(keyMarker ?? "")),
      tag("UploadIdMarker", uploadIdMarker ?? ""),
      tag("NextKeyMarker", more && encode(more.key)),
      tag("NextUploadIdMarker", more && (more.uploadId ?? "")),
      tag("Delimiter", delimiter && encode(delimiter)),
      tag("Prefix", prefix && encode(prefix)),
      tag("EncodingType", call.query.get("encoding-type")),
      tag("MaxUploads", max),
      tag("IsTruncated", more !== undefined),
      ...rows,
      ...commonPrefixes.map((common) => branch("CommonPrefixes", tag("Prefix", encode(common)))),
    ),
  );
}
