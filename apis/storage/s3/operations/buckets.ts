import { RemoteError } from "../../../../chunkd/protocol/errors.ts";
import type { Bucket } from "../../../../masterd/protocol/messages.ts";
import type { Call } from "../call.ts";
import { S3Error } from "../errors.ts";
import type { S3Response } from "../http.ts";
import { emptyResponse, xmlResponse } from "../http-response.ts";
import { PAGE_MAX } from "../limits.ts";
import { listingToken, readListingToken } from "../listing-token.ts";
import { ownerBranch } from "../owner-fields.ts";
import { readXmlBody } from "../xml-body.ts";
import { XmlElement } from "../xml-read.ts";
import { branch, isoTime, s3Document, tag } from "../xml-write.ts";

const BUCKETS_MAX = 10_000;

/** GET / : everybody's buckets to whoever may see those, else the caller's own. */
export async function listBuckets(call: Call): Promise<S3Response> {
  const { principal } = call.caller;
  const max = call.count("max-buckets", 1, BUCKETS_MAX, BUCKETS_MAX);
  const token = call.query.get("continuation-token");
  const elsewhere = (call.query.get("bucket-region") ?? call.services.region) !== call.services.region;
  const { buckets, next } = elsewhere
    ? { buckets: [] }
    : await collectBuckets(call, max, token ? readListingToken(token) : undefined);
  const rows = buckets.map(({ name, createdAt }) =>
    branch(
      "Bucket",
      tag("Name", name),
      tag("CreationDate", isoTime(createdAt)),
      tag("BucketRegion", call.services.region),
    ),
  );
  return xmlResponse(
    s3Document(
      "ListAllMyBucketsResult",
      ownerBranch(principal.userId, principal),
      branch("Buckets", ...rows),
      tag("ContinuationToken", next && listingToken(next)),
      tag("Prefix", call.query.get("prefix")),
    ),
  );
}

async function collectBuckets(call: Call, max: number, after?: string) {
  const { principal } = call.caller;
  const owner = call.may("s3:ListAllMyBuckets", {}) ? undefined : principal.userId;
  const buckets: Bucket[] = [];
  let next = after;
  do {
    const page = await call.store.master.listBuckets({
      owner,
      prefix: call.query.get("prefix"),
      after: next,
      max: Math.min(PAGE_MAX, max - buckets.length),
    });
    buckets.push(...page.buckets);
    next = page.next;
  } while (next !== undefined && buckets.length < max);
  return { buckets, next };
}

/** PUT /bucket */
export async function createBucket(call: Call): Promise<S3Response> {
  await checkLocation(call);
  const { userId } = call.caller.principal;
  try {
    await call.store.master.createBucket({ name: call.bucket, owner: userId });
  } catch (error) {
    // As in every region but the oldest: a second PUT says that the bucket is there, and whose it is.
    if (error instanceof RemoteError && error.code === "BUCKET_EXISTS") {
      const { owner } = (error.detail ?? {}) as { owner?: unknown };
      throw new S3Error(owner === userId ? "BucketAlreadyOwnedByYou" : "BucketAlreadyExists", undefined, {
        cause: error,
        fields: { BucketName: call.bucket },
      });
    }
    throw error;
  }
  return emptyResponse(200, { location: `/${call.bucket}` });
}

/** A CreateBucketConfiguration may be there; the region that it names has to be this one. */
async function checkLocation(call: Call): Promise<void> {
  const bytes = await readXmlBody(call);
  if (bytes.length === 0) return;
  const location = XmlElement.parse(bytes, "CreateBucketConfiguration").text("LocationConstraint");
  if (location && location !== call.services.region) {
    throw new S3Error(
      "IllegalLocationConstraintException",
      `The ${location} location constraint is incompatible for the region specific endpoint this request was sent to: it is in ${call.services.region}.`,
    );
  }
}

/** HEAD /bucket. Asks the master itself: clients poll this to see a bucket come and go. */
export async function headBucket(call: Call): Promise<S3Response> {
  await call.store.master.getBucket({ name: call.bucket });
  return emptyResponse(200, { "x-amz-bucket-region": call.services.region });
}

/** DELETE /bucket */
export async function deleteBucket(call: Call): Promise<S3Response> {
  await call.store.deleteBucket(call.bucket);
  return emptyResponse(204);
}

/** GET /bucket?location. The first region has no name here. */
export async function getBucketLocation(call: Call): Promise<S3Response> {
  const { region } = call.services;
  return xmlResponse(s3Document("LocationConstraint", region === "us-east-1" ? "" : region));
}
