// What clients ask a bucket or object about without ever having set it (terraform, rclone, s3cmd do so on every one):
// the true answer for a server on which it cannot be set.
import type { Call } from "../call.ts";
import { S3Error, type S3ErrorCode } from "../errors.ts";
import type { S3Response } from "../http.ts";
import { xmlResponse } from "../http-response.ts";
import { ownerBranch, ownerFields } from "../owner-fields.ts";
import { branch, s3Document, tag } from "../xml-write.ts";
import { refuseOtherVersions } from "./versions.ts";

/** An operation on a bucket whose configuration was never made. */
export function neverConfigured(code: S3ErrorCode): (call: Call) => Promise<S3Response> {
  return async (call) => {
    throw new S3Error(code, undefined, { fields: { BucketName: call.bucket } });
  };
}

/** An operation on a bucket that always gives the same document. */
export function always(root: string, ...children: string[]): () => Promise<S3Response> {
  const text = s3Document(root, ...children);
  return async () => xmlResponse(text);
}

/** The bucket's owner has full control of all in it, and there is no way to give any of it away. */
function accessControlPolicy(call: Call): S3Response {
  const { principal } = call.caller;
  const grantee =
    `<Grantee xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:type="CanonicalUser">` +
    `${ownerFields(call.bucketOwner, principal)}</Grantee>`;
  const grant = branch("Grant", grantee, tag("Permission", "FULL_CONTROL"));
  return xmlResponse(
    s3Document(
      "AccessControlPolicy",
      ownerBranch(call.bucketOwner, principal),
      branch("AccessControlList", grant),
    ),
  );
}

/** GET /bucket?acl */
export async function getBucketAcl(call: Call): Promise<S3Response> {
  return accessControlPolicy(call);
}

/** GET /bucket/key?acl */
export async function getObjectAcl(call: Call): Promise<S3Response> {
  await requireObject(call);
  return accessControlPolicy(call);
}

/** GET /bucket/key?tagging */
export async function getObjectTagging(call: Call): Promise<S3Response> {
  await requireObject(call);
  return xmlResponse(s3Document("Tagging", branch("TagSet")));
}

/** GET /bucket/key?retention and ?legal-hold */
export async function getObjectLockState(call: Call): Promise<S3Response> {
  await requireObject(call);
  throw new S3Error("InvalidRequest", "Bucket is missing Object Lock Configuration");
}

async function requireObject(call: Call): Promise<void> {
  refuseOtherVersions(call);
  await call.store.master.headObject({ bucket: call.bucket, key: call.key });
}
