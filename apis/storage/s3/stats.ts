import { Histogram, Tally } from "../../../std/histogram.ts";
import type { S3Request, S3Response } from "./http.ts";

/** What the S3 API counts of its requests. */
export class S3Stats {
  /** By "operation status". */
  readonly answers = new Tally();
  /** From a request's headers to its answer's, by operation, seconds. */
  readonly seconds = new Map<string, Histogram>();
  /** Bytes of objects and parts that came in and were kept. */
  receivedBytes = 0;
  /** Bytes of answers' bodies, as their headers announce them. */
  sentBytes = 0;

  /** `operation`: S3's name, or "unknown" for a request that is none. */
  answered(operation: string, request: S3Request, response: S3Response, ms: number): void {
    this.answers.add(`${operation} ${response.status}`);
    const seconds = this.seconds.get(operation) ?? new Histogram();
    this.seconds.set(operation, seconds);
    seconds.observe(ms / 1000);
    if (response.status >= 300) return;
    if (operation === "PutObject" || operation === "UploadPart") this.receivedBytes += payloadSize(request);
    if (request.method === "GET") this.sentBytes += Number(response.headers["content-length"] ?? 0);
  }
}

/** Of a body that was signed in pieces, without the signatures. */
function payloadSize({ headers }: S3Request): number {
  return Number(headers.get("x-amz-decoded-content-length") ?? headers.get("content-length") ?? 0);
}
