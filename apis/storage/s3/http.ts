// The HTTP that the S3 API needs. Not `Request`: its URL is normalised (`a/../b` becomes `b`), while a SigV4 signature
// and an S3 key mean the bytes of the request line.

export interface S3Request {
  /** Upper case. */
  method: string;
  /** The request target as it came: path, then `?` and the query, nothing decoded or normalised. */
  target: string;
  /** Lower-case names; a name given more than once has its values joined with ", ". */
  headers: ReadonlyMap<string, string>;
  /** The raw body; reading it slowly slows the client. Null where the method has none. */
  body: AsyncIterable<Uint8Array> | null;
  remoteAddress: string;
  /** Whether the client's connection was under TLS; absent: no. */
  overTls?: boolean;
  /** For logs and `x-amz-request-id`. */
  requestId: string;
  /** The host under which buckets are subdomains (`<bucket>.storage.<domain>`), without a port. */
  virtualHostSuffix?: string;
}

export interface S3Response {
  status: number;
  /** Lower-case names. */
  headers: Record<string, string>;
  /** A stream is pulled as the client reads; its `return()` is called when the client goes away. */
  body: string | Uint8Array | AsyncIterable<Uint8Array> | null;
}

export type S3Handler = (request: S3Request) => Promise<S3Response>;
