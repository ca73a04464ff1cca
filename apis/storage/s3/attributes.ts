// What is kept with an object besides its bytes: from the headers of a write, and into the headers of a read.
import type { Attributes, ObjectRecord } from "../../../masterd/protocol/messages.ts";
import type { Call } from "./call.ts";
import { checksumHeaders } from "./checksum-fields.ts";
import { httpDate } from "./http-date.ts";
import { quote } from "./http-response.ts";
import { METADATA_PREFIX, readMetadata, writeMetadata } from "./metadata.ts";

/** System metadata that a client sets and gets back as it was. */
const KEPT_HEADERS = ["cache-control", "content-disposition", "content-language", "expires"] as const;

const CONTENT_TYPE_DEFAULT = "binary/octet-stream";

/** The headers and metadata of a write (PutObject, CreateMultipartUpload, CopyObject with REPLACE). */
export function requestedAttributes(call: Call): Pick<Attributes, "headers" | "metadata"> {
  const headers: Record<string, string> = {
    "content-type": call.header("content-type") || CONTENT_TYPE_DEFAULT,
  };
  for (const name of KEPT_HEADERS) {
    const value = call.header(name);
    if (value !== undefined) headers[name] = value;
  }
  const encoding = storedContentEncoding(call.header("content-encoding"));
  if (encoding !== undefined) headers["content-encoding"] = encoding;
  return { headers, metadata: readMetadata(call.headersWithPrefix(METADATA_PREFIX)) };
}

/** `aws-chunked` is how this request travelled, not what the object is. */
export function storedContentEncoding(header: string | undefined): string | undefined {
  if (header === undefined) return undefined;
  const codings = header
    .split(",")
    .map((coding) => coding.trim())
    .filter((coding) => coding !== "" && coding.toLowerCase() !== "aws-chunked");
  return codings.length === 0 ? undefined : codings.join(",");
}

/** The headers of GET and HEAD that describe the object; its checksums only `withChecksums`. */
export function objectHeaders(
  object: Omit<ObjectRecord, "extents">,
  withChecksums: boolean,
): Record<string, string> {
  const headers: Record<string, string> = {
    ...object.attributes.headers,
    etag: quote(object.etag),
    "last-modified": httpDate(object.modifiedAt),
    "accept-ranges": "bytes",
  };
  writeMetadata(object.attributes.metadata, headers);
  if (withChecksums) Object.assign(headers, checksumHeaders(object.attributes));
  return headers;
}
