// The S3 API behind a `fetch` function (Bun.serve, Hono), as the edge mounts it. One limit is the platform's: a
// Request's URL is normalised, so of `/bucket/a/../b` only `/bucket/b` arrives, and its signature no longer matches.
// Keys with such segments are reached through the S3 port (node-http.ts). And Bun.serve sends a stream without its
// Content-Length, as chunks (oven-sh/bun#10507): a body that whenFlowing does not gather arrives whole, but its length
// is not told, and s3cmd does not take it. A server of node:http2 does neither: s3RequestListener (node-http.ts).
import type { Random } from "../../../std/random.ts";
import type { S3Handler, S3Response } from "./http.ts";
import { requestIds } from "./request-ids.ts";

export interface S3FetchOptions {
  random: Random;
  /** The host under which buckets are subdomains, without a port. */
  virtualHostSuffix?: string;
}

export type S3Fetch = (request: Request, remoteAddress: string) => Promise<Response>;

/** `handler` as a fetch function. Bodies stream both ways at the pace of whoever reads them. */
export function s3Fetch(handler: S3Handler, options: S3FetchOptions): S3Fetch {
  const nextRequestId = requestIds(options.random);
  return async (request, remoteAddress) => {
    const response = await handler({
      method: request.method,
      target: requestTarget(request.url),
      headers: new Map(request.headers),
      body: request.body,
      remoteAddress,
      overTls: request.url.startsWith("https:"),
      requestId: nextRequestId(),
      virtualHostSuffix: options.virtualHostSuffix,
    });
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
