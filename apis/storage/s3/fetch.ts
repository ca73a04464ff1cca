// The S3 API behind a `fetch` function (Bun.serve, Hono), as the edge mounts it. One limit is the platform's: a
// Request's URL is normalised, so of `/bucket/a/../b` only `/bucket/b` arrives, and its signature no longer matches.
// Keys with such segments are reached through the S3 port (node-http.ts). And Bun.serve sends a stream without its
// Content-Length, as chunks (oven-sh/bun#10507): a body that whenFlowing does not gather arrives whole, but its length
// is not told, and s3cmd does not take it. A server of node:http2 does neither: s3RequestListener (node-http.ts).
import type { Clock } from "../../../std/clock.ts";
import type { Origin } from "../../gateway-trust.ts";
import { RequestBody } from "../../request-body.ts";
import type { S3Handler, S3Response } from "./http.ts";

export interface S3FetchOptions {
  clock: Clock;
  /** The host under which buckets are subdomains, without a port. */
  virtualHostSuffix?: string;
}

export type S3Fetch = (request: Request, origin: Origin) => Promise<Response>;

/**
 * `handler` as a fetch function. Bodies stream both ways at the pace of whoever reads them; what the handler leaves of one
 * is dropped before its answer is sent.
 */
export function s3Fetch(handler: S3Handler, options: S3FetchOptions): S3Fetch {
  return async (request, { source, requestId, overTls }) => {
    const body = RequestBody.of(request);
    const response = await handler({
      method: request.method,
      target: requestTarget(request.url),
      headers: new Map(request.headers),
      body,
      remoteAddress: source,
      requestId,
      overTls,
      virtualHostSuffix: options.virtualHostSuffix,
    });
    await body?.drop(options.clock);
    return new Response(responseBody(request.method, response), {
      status: response.status,
      headers: response.headers,
    });
  };
}

/** Path and query as the URL has them: behind the scheme and the authority. */
function requestTarget(url: string): string {
  const slash = url.indexOf("/", url.indexOf("://") + 3);
  return slash < 0 ? "/" : url.slice(slash);
}

function responseBody(method: string, { body }: S3Response): BodyInit | null {
  if (method === "HEAD" || body === null) return null;
  if (typeof body === "string") return body;
  // A Uint8Array over an ArrayBuffer is all that the engine makes; BodyInit does not take shared memory.
  if (body instanceof Uint8Array) return body as Uint8Array<ArrayBuffer>;
  return pulledStream(body);
}

/** A web stream that asks `source` for more only when it is read, and ends it when the reader goes away. */
export function pulledStream(source: AsyncIterable<Uint8Array>): ReadableStream<Uint8Array> {
  const iterator = source[Symbol.asyncIterator]();
  return new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        const next = await iterator.next();
        if (next.done) controller.close();
        else controller.enqueue(next.value);
      },
      async cancel() {
        await iterator.return?.();
      },
    },
    { highWaterMark: 0 },
  );
}
