import type { Attributes } from "../../../../masterd/protocol/messages.ts";
import type { Payload } from "../../objects.ts";
import { requestedAttributes } from "../attributes.ts";
import type { Call } from "../call.ts";
import { checksumHeaders } from "../checksum-fields.ts";
import { writeCondition } from "../conditions.ts";
import { S3Error } from "../errors.ts";
import type { S3Response } from "../http.ts";
import { emptyResponse, quote } from "../http-response.ts";
import { verifyBody } from "../payload/body.ts";
import { algorithmOfHeader, type ChecksumAlgorithm } from "../payload/checksum.ts";

/** PUT /bucket/key */
export async function putObject(call: Call): Promise<S3Response> {
  const condition = writeCondition(call.header("if-match"), call.header("if-none-match"));
  const requested = requestedAttributes(call);
  const attributes = (checksums: Record<string, string>): Attributes => ({
    ...requested,
    checksums,
    checksumType: "FULL_OBJECT",
  });
  const stored = await call.store.put(call.bucket, call.key, uploadBody(call), attributes, condition);
  return emptyResponse(200, {
    etag: quote(stored.etag),
    ...checksumHeaders({ checksums: stored.checksums, checksumType: "FULL_OBJECT" }),
  });
}

/** What every object's bytes are summed with where the client sent no checksum: the one that costs least. */
const CHECKSUM_DEFAULT: ChecksumAlgorithm = "CRC32";

/**
 * The body of an upload, whose size has to be told ahead, with a checksum: the client's own or one of
 * `algorithm`. Throws {@link S3Error} `MissingContentLength`.
 */
export function uploadBody(call: Call, algorithm: ChecksumAlgorithm = CHECKSUM_DEFAULT): Payload {
  const compute = declaredAlgorithm(call) === undefined ? [algorithm] : [];
  const body = verifyBody(call.request, call.caller, compute);
  if (body.length === undefined) throw new S3Error("MissingContentLength");
  return body;
}

/** The algorithm of the checksum that comes with the body, in a header or in the trailer. */
export function declaredAlgorithm(call: Call): ChecksumAlgorithm | undefined {
  for (const name of call.caller.headers.keys()) {
    const algorithm = algorithmOfHeader(name);
    if (algorithm !== undefined) return algorithm;
  }
  return algorithmOfHeader(call.header("x-amz-trailer")?.trim().toLowerCase() ?? "");
}
