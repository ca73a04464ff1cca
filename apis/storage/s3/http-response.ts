import type { S3Response } from "./http.ts";

const XML = { "content-type": "application/xml" };

/** A document of {@link s3Document}. */
export function xmlResponse(document: string, headers?: Record<string, string>): S3Response {
  return { status: 200, headers: { ...XML, ...headers }, body: document };
}

/** An answer without a body. */
export function emptyResponse(status: 200 | 204, headers: Record<string, string> = {}): S3Response {
  return { status, headers, body: null };
}

export function quote(etag: string): string {
  return `"${etag}"`;
}
