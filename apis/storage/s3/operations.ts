// Every operation of this S3 API, in one table. A request is an operation only if all that marks it is there and no
// subresource is there that it does not take: `?acl` or `?retention` never falls through to a plain GET, PUT or DELETE
// of the object.
import type { StorageAction } from "../authorize.ts";
import type { Query } from "./auth/target.ts";
import type { Call } from "./call.ts";
import { S3Error } from "./errors.ts";
import type { S3Response } from "./http.ts";
import {
  createBucket,
  deleteBucket,
  getBucketLocation,
  headBucket,
  listBuckets,
} from "./operations/buckets.ts";
import { completeMultipartUpload } from "./operations/complete-upload.ts";
import { copyObject } from "./operations/copy-object.ts";
import {
  always,
  getBucketAcl,
  getObjectAcl,
  getObjectLockState,
  getObjectTagging,
  neverConfigured,
} from "./operations/defaults.ts";
import { deleteObject, deleteObjects } from "./operations/delete-objects.ts";
import { getObject, headObject } from "./operations/get-object.ts";
import { listObjects, listObjectsV2, listObjectVersions } from "./operations/list-objects.ts";
import { listMultipartUploads, listParts } from "./operations/list-uploads.ts";
import {
  abortMultipartUpload,
  createMultipartUpload,
  uploadPart,
  uploadPartCopy,
} from "./operations/multipart.ts";
import { getObjectAttributes } from "./operations/object-attributes.ts";
import { putObject } from "./operations/put-object.ts";
import { SUBRESOURCES } from "./subresources.ts";
import { branch, tag } from "./xml-write.ts";

type Level = "service" | "bucket" | "key";

export interface Operation {
  /** S3's name, for logs and metrics. */
  name: string;
  action: StorageAction;
  run(call: Call): Promise<S3Response>;
}

interface Row extends Operation {
  method: string;
  level: Level;
  /** Query parameters that make a request this operation. */
  markers: readonly string[];
  /** A header that does, besides. */
  header?: string;
  /** Subresources that it takes besides. */
  takes: readonly string[];
}

function row(
  name: string,
  [method, level, ...markers]: [method: string, level: Level, ...markers: string[]],
  action: StorageAction,
  run: Operation["run"],
  more: { takes?: readonly string[]; header?: string } = {},
): Row {
  return {
    name,
    method,
    level,
    markers,
    action,
    run,
    takes: more.takes ?? [],
    header: more.header,
  };
}

const READ = { takes: ["versionId", "partNumber"] };
const VERSION = { takes: ["versionId"] };
const COPY = "x-amz-copy-source";

/** Where two rows fit, the first one counts. */
export const OPERATIONS: readonly Row[] = [
  row("ListBuckets", ["GET", "service"], "s3:ListAllMyBuckets", listBuckets),

  row("CreateBucket", ["PUT", "bucket"], "s3:CreateBucket", createBucket),
  row("HeadBucket", ["HEAD", "bucket"], "s3:ListBucket", headBucket),
  row("DeleteBucket", ["DELETE", "bucket"], "s3:DeleteBucket", deleteBucket),
  row("GetBucketLocation", ["GET", "bucket", "location"], "s3:GetBucketLocation", getBucketLocation),
  row("ListObjectsV2", ["GET", "bucket", "list-type"], "s3:ListBucket", listObjectsV2),
  row("ListObjectVersions", ["GET", "bucket", "versions"], "s3:ListBucketVersions", listObjectVersions),
  row(
    "ListMultipartUploads",
    ["GET", "bucket", "uploads"],
    "s3:ListBucketMultipartUploads",
    listMultipartUploads,
  ),
  row("DeleteObjects", ["POST", "bucket", "delete"], "s3:DeleteObject", deleteObjects),

  row(
    "GetBucketVersioning",
    ["GET", "bucket", "versioning"],
    "s3:GetBucketVersioning",
    always("VersioningConfiguration"),
  ),
  row("GetBucketAcl", ["GET", "bucket", "acl"], "s3:GetBucketAcl", getBucketAcl),
  row(
    "GetBucketPolicy",
    ["GET", "bucket", "policy"],
    "s3:GetBucketPolicy",
    neverConfigured("NoSuchBucketPolicy"),
  ),
  row(
    "GetBucketPolicyStatus",
    ["GET", "bucket", "policyStatus"],
    "s3:GetBucketPolicyStatus",
    neverConfigured("NoSuchBucketPolicy"),
  ),
  row(
    "GetBucketLifecycleConfiguration",
    ["GET", "bucket", "lifecycle"],
    "s3:GetLifecycleConfiguration",
    neverConfigured("NoSuchLifecycleConfiguration"),
  ),
  row(
    "GetBucketCors",
    ["GET", "bucket", "cors"],
    "s3:GetBucketCORS",
    neverConfigured("NoSuchCORSConfiguration"),
  ),
  row(
    "GetBucketTagging",
    ["GET", "bucket", "tagging"],
    "s3:GetBucketTagging",
    neverConfigured("NoSuchTagSet"),
  ),
  row(
    "GetBucketEncryption",
    ["GET", "bucket", "encryption"],
    "s3:GetEncryptionConfiguration",
    neverConfigured("ServerSideEncryptionConfigurationNotFoundError"),
  ),
  row(
    "GetObjectLockConfiguration",
    ["GET", "bucket", "object-lock"],
    "s3:GetBucketObjectLockConfiguration",
    neverConfigured("ObjectLockConfigurationNotFoundError"),
  ),
  row(
    "GetPublicAccessBlock",
    ["GET", "bucket", "publicAccessBlock"],
    "s3:GetBucketPublicAccessBlock",
    neverConfigured("NoSuchPublicAccessBlockConfiguration"),
  ),
  row(
    "GetBucketReplication",
    ["GET", "bucket", "replication"],
    "s3:GetReplicationConfiguration",
    neverConfigured("ReplicationConfigurationNotFoundError"),
  ),
  row(
    "GetBucketWebsite",
    ["GET", "bucket", "website"],
    "s3:GetBucketWebsite",
    neverConfigured("NoSuchWebsiteConfiguration"),
  ),
  row(
    "GetBucketOwnershipControls",
    ["GET", "bucket", "ownershipControls"],
    "s3:GetBucketOwnershipControls",
    always("OwnershipControls", branch("Rule", tag("ObjectOwnership", "BucketOwnerEnforced"))),
  ),
  row(
    "GetBucketRequestPayment",
    ["GET", "bucket", "requestPayment"],
    "s3:GetBucketRequestPayment",
    always("RequestPaymentConfiguration", tag("Payer", "BucketOwner")),
  ),
  row("GetBucketLogging", ["GET", "bucket", "logging"], "s3:GetBucketLogging", always("BucketLoggingStatus")),
  row(
    "GetBucketNotificationConfiguration",
    ["GET", "bucket", "notification"],
    "s3:GetBucketNotification",
    always("NotificationConfiguration"),
  ),
  row(
    "GetBucketAccelerateConfiguration",
    ["GET", "bucket", "accelerate"],
    "s3:GetAccelerateConfiguration",
    always("AccelerateConfiguration"),
  ),
  row("ListObjects", ["GET", "bucket"], "s3:ListBucket", listObjects),

  row("UploadPartCopy", ["PUT", "key", "partNumber", "uploadId"], "s3:PutObject", uploadPartCopy, {
    header: COPY,
  }),
  row("UploadPart", ["PUT", "key", "partNumber", "uploadId"], "s3:PutObject", uploadPart),
  row("CopyObject", ["PUT", "key"], "s3:PutObject", copyObject, { header: COPY }),
  row("PutObject", ["PUT", "key"], "s3:PutObject", putObject),
  row("CreateMultipartUpload", ["POST", "key", "uploads"], "s3:PutObject", createMultipartUpload),
  row("CompleteMultipartUpload", ["POST", "key", "uploadId"], "s3:PutObject", completeMultipartUpload),
  row("AbortMultipartUpload", ["DELETE", "key", "uploadId"], "s3:AbortMultipartUpload", abortMultipartUpload),
  row("ListParts", ["GET", "key", "uploadId"], "s3:ListMultipartUploadParts", listParts),
  row("GetObjectAcl", ["GET", "key", "acl"], "s3:GetObjectAcl", getObjectAcl, VERSION),
  row("GetObjectTagging", ["GET", "key", "tagging"], "s3:GetObjectTagging", getObjectTagging, VERSION),
  row(
    "GetObjectAttributes",
    ["GET", "key", "attributes"],
    "s3:GetObjectAttributes",
    getObjectAttributes,
    VERSION,
  ),
  row(
    "GetObjectRetention",
    ["GET", "key", "retention"],
    "s3:GetObjectRetention",
    getObjectLockState,
    VERSION,
  ),
  row(
    "GetObjectLegalHold",
    ["GET", "key", "legal-hold"],
    "s3:GetObjectLegalHold",
    getObjectLockState,
    VERSION,
  ),
  row("GetObject", ["GET", "key"], "s3:GetObject", getObject, READ),
  row("HeadObject", ["HEAD", "key"], "s3:GetObject", headObject, READ),
  row("DeleteObject", ["DELETE", "key"], "s3:DeleteObject", deleteObject, VERSION),
];

const TABLE = new Map<string, Row[]>();
for (const each of OPERATIONS) {
  const place = `${each.method} ${each.level}`;
  TABLE.set(place, [...(TABLE.get(place) ?? []), each]);
}

/**
 * The operation that a request asks for. Throws {@link S3Error} `NotImplemented` for one that is not built,
 * `MethodNotAllowed` for a method that means nothing there.
 */
export function findOperation(
  method: string,
  level: Level,
  query: Query,
  headers: ReadonlyMap<string, string>,
): Operation {
  const rows = TABLE.get(`${method} ${level}`);
  if (rows === undefined) throw new S3Error("MethodNotAllowed", undefined, { fields: { Method: method } });
  const names = query.parameters.length === 0 ? [] : query.names();
  const found = rows.find(
    ({ markers, header }) =>
      markers.every((marker) => names.includes(marker)) && (header === undefined || headers.has(header)),
  );
  for (const name of names) {
    if (!SUBRESOURCES.has(name)) continue;
    if (found?.markers.includes(name) || found?.takes.includes(name)) continue;
    throw new S3Error("NotImplemented", undefined, { fields: { Parameter: name } });
  }
  if (found === undefined) throw new S3Error("MethodNotAllowed", undefined, { fields: { Method: method } });
  return found;
}
