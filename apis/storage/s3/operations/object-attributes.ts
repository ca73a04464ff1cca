// GET /bucket/key?attributes: what HEAD tells and the sizes of parts, chosen by x-amz-object-attributes.
import { PARTS_MAX } from "../../../../masterd/protocol/messages.ts";
import type { Call } from "../call.ts";
import { checksumTags } from "../checksum-fields.ts";
import { S3Error } from "../errors.ts";
import type { S3Response } from "../http.ts";
import { httpDate } from "../http-date.ts";
import { xmlResponse } from "../http-response.ts";
import { branch, s3Document, tag } from "../xml-write.ts";
import { refuseOtherVersions } from "./versions.ts";

const ATTRIBUTES = ["ETag", "Checksum", "ObjectParts", "StorageClass", "ObjectSize"] as const;
const PARTS_PAGE_MAX = 1000;

export async function getObjectAttributes(call: Call): Promise<S3Response> {
  refuseOtherVersions(call);
  const wanted = wantedAttributes(call.header("x-amz-object-attributes"));
  const { object } = await call.store.master.headObject({ bucket: call.bucket, key: call.key });
  const checksum = checksumTags(object.attributes);
  const fields: Record<(typeof ATTRIBUTES)[number], string> = {
    // Without quotes, here alone.
    ETag: tag("ETag", object.etag),
    Checksum: checksum && branch("Checksum", checksum),
    ObjectParts: object.parts ? partsBranch(call, object.parts) : "",
    StorageClass: tag("StorageClass", "STANDARD"),
    ObjectSize: tag("ObjectSize", object.size),
  };
  return xmlResponse(
    s3Document(
      "GetObjectAttributesResponse",
      ...ATTRIBUTES.filter((name) => wanted.has(name)).map((name) => fields[name]),
    ),
    { "last-modified": httpDate(object.modifiedAt) },
  );
}

function wantedAttributes(header: string | undefined): Set<string> {
  const names = (header ?? "").split(",").map((name) => name.trim());
  if (!names.every((name) => ATTRIBUTES.some((known) => known === name))) {
    throw new S3Error("InvalidArgument", "Invalid attribute name specified.", {
      fields: { ArgumentName: "x-amz-object-attributes", ArgumentValue: header ?? "" },
    });
  }
  return new Set(names);
}

function headerCount(call: Call, name: string, max: number, fallback: number): number {
  const text = call.header(name);
  if (text === undefined) return fallback;
  if (!/^\d{1,10}$/.test(text)) throw new S3Error("InvalidArgument", `${name} must be a whole number.`);
  return Math.min(Number(text), max);
}

function partsBranch(call: Call, sizes: number[]): string {
  const marker = headerCount(call, "x-amz-part-number-marker", PARTS_MAX, 0);
  const max = headerCount(call, "x-amz-max-parts", PARTS_PAGE_MAX, PARTS_PAGE_MAX);
  const page = sizes.slice(marker, marker + max);
  const last = marker + page.length;
  return branch(
    "ObjectParts",
    // The SDKs' TotalPartsCount: this is its name on the wire.
    tag("PartsCount", sizes.length),
    tag("PartNumberMarker", marker),
    tag("NextPartNumberMarker", last),
    tag("MaxParts", max),
    tag("IsTruncated", last < sizes.length),
    ...page.map((size, index) => branch("Part", tag("PartNumber", marker + index + 1), tag("Size", size))),
  );
}
