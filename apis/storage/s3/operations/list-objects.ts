// LIST in its three forms. All are the master's one listing, written differently.
import type { ListedObject, ListResponse } from "../../../../masterd/protocol/messages.ts";
import type { Call } from "../call.ts";
import { S3Error } from "../errors.ts";
import type { S3Response } from "../http.ts";
import { quote, xmlResponse } from "../http-response.ts";
import { PAGE_MAX } from "../limits.ts";
import { keyEncoding, listingToken, readListingToken } from "../listing-token.ts";
import { ownerBranch } from "../owner-fields.ts";
import { branch, isoTime, s3Document, tag } from "../xml-write.ts";
import { NULL_VERSION } from "./versions.ts";

interface Listing extends ListResponse {
  max: number;
  encode(text: string): string;
}

async function list(call: Call, after: string | undefined): Promise<Listing> {
  const encode = keyEncoding(call.query.get("encoding-type"));
  const max = call.count("max-keys", 0, PAGE_MAX, PAGE_MAX);
  const response = await call.store.master.listObjects({
    bucket: call.bucket,
    prefix: call.query.get("prefix") || undefined,
    delimiter: call.query.get("delimiter") || undefined,
    after: after || undefined,
    max,
  });
  // A page of nothing does not go on: a client would ask for the next one for ever.
  if (max === 0) response.next = undefined;
  return { ...response, max, encode };
}

/** The elements that all three forms begin with. */
function heading(call: Call, listing: Listing): string {
  const delimiter = call.query.get("delimiter");
  return (
    tag("Name", call.bucket) +
    tag("Prefix", listing.encode(call.query.get("prefix") ?? "")) +
    tag("Delimiter", delimiter ? listing.encode(delimiter) : undefined) +
    tag("MaxKeys", listing.max) +
    tag("EncodingType", call.query.get("encoding-type")) +
    tag("IsTruncated", listing.next !== undefined)
  );
}

function objectFields(object: ListedObject, listing: Listing, owner: string): string {
  const algorithms = (object.checksumAlgorithms ?? []).map((name) => tag("ChecksumAlgorithm", name));
  return (
    tag("Key", listing.encode(object.key)) +
    tag("LastModified", isoTime(object.modifiedAt)) +
    tag("ETag", quote(object.etag)) +
    algorithms.join("") +
    tag("Size", object.size) +
    owner +
    tag("StorageClass", "STANDARD")
  );
}

function prefixes(listing: Listing): string[] {
  return listing.commonPrefixes.map((prefix) =>
    branch("CommonPrefixes", tag("Prefix", listing.encode(prefix))),
  );
}

/** GET /bucket?list-type=2 */
export async function listObjectsV2(call: Call): Promise<S3Response> {
  if (call.query.get("list-type") !== "2") {
    throw new S3Error("InvalidArgument", "list-type must be 2.", { fields: { ArgumentName: "list-type" } });
  }
  const token = call.query.get("continuation-token");
  const startAfter = call.query.get("start-after");
  const listing = await list(call, token === undefined ? startAfter : readListingToken(token));
  const owner =
    call.query.get("fetch-owner") === "true" ? ownerBranch(call.bucketOwner, call.caller.principal) : "";
  return xmlResponse(
    s3Document(
      "ListBucketResult",
      heading(call, listing),
      tag("KeyCount", listing.objects.length + listing.commonPrefixes.length),
      tag("ContinuationToken", token),
      tag("NextContinuationToken", listing.next && listingToken(listing.next)),
      tag("StartAfter", startAfter && listing.encode(startAfter)),
      ...listing.objects.map((object) => branch("Contents", objectFields(object, listing, owner))),
      ...prefixes(listing),
    ),
  );
}

/** GET /bucket */
export async function listObjects(call: Call): Promise<S3Response> {
  const marker = call.query.get("marker");
  const listing = await list(call, marker);
  const owner = ownerBranch(call.bucketOwner, call.caller.principal);
  // Without a delimiter a client goes on from the last key itself; S3 then sends no NextMarker.
  const next = call.query.get("delimiter") ? listing.next : undefined;
  return xmlResponse(
    s3Document(
      "ListBucketResult",
      heading(call, listing),
      tag("Marker", listing.encode(marker ?? "")),
      tag("NextMarker", next && listing.encode(next)),
      ...listing.objects.map((object) => branch("Contents", objectFields(object, listing, owner))),
      ...prefixes(listing),
    ),
  );
}

/** GET /bucket?versions: every object is its own only version. Tools that empty a bucket ask this way. */
export async function listObjectVersions(call: Call): Promise<S3Response> {
  const marker = call.query.get("key-marker");
  const listing = await list(call, marker);
  const owner = ownerBranch(call.bucketOwner, call.caller.principal);
  const rows = listing.objects.map((object) =>
    branch(
      "Version",
      objectFields(object, listing, owner),
      tag("VersionId", NULL_VERSION),
      tag("IsLatest", true),
    ),
  );
  return xmlResponse(
    s3Document(
      "ListVersionsResult",
      heading(call, listing),
      tag("KeyMarker", listing.encode(marker ?? "")),
      tag("VersionIdMarker", call.query.get("version-id-marker") ?? ""),
      tag("NextKeyMarker", listing.next && listing.encode(listing.next)),
      tag("NextVersionIdMarker", listing.next && NULL_VERSION),
      ...rows,
      ...prefixes(listing),
    ),
  );
}
