// S3 to another process by node:http and not fetch: the request target must arrive byte for byte, since a signature
// covers it.
import { Agent, request as httpRequest, type IncomingMessage } from "node:http";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { GATEWAY_HEADER, SOURCE_HEADER, TLS_HEADER } from "../../apis/gateway-trust.ts";
import type { S3Handler, S3Request, S3Response } from "../../apis/storage/s3/http.ts";
import type { Backends } from "./backends.ts";

const SOCKETS_MAX = 256;
const HOP_BY_HOP = new Set([
  "connection",
  "keep-alive",
  "transfer-encoding",
  "upgrade",
  "expect",
  "te",
  "trailer",
]);

export function s3Proxy(backends: Backends, token: string): S3Handler {
  const agent = new Agent({ keepAlive: true, maxSockets: SOCKETS_MAX });
  return async (request) => {
    const base = backends.pick();
    if (base === undefined) return slowDown(request);
    try {
      return toResponse(await forward(base, request, agent, token));
    } catch {
      backends.failed(base);
      return slowDown(request);
    }
  };
}

function forward(base: string, request: S3Request, agent: Agent, token: string): Promise<IncomingMessage> {
  const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>();
  const { hostname, port } = new URL(base);
  const headers = Object.fromEntries([...request.headers].filter(([name]) => !HOP_BY_HOP.has(name)));
  const outgoing = httpRequest({
    agent,
    host: hostname.replace(/^\[|\]$/g, ""),
    port,
    method: request.method,
    path: request.target,
    headers: {
      ...headers,
      [GATEWAY_HEADER]: token,
      [SOURCE_HEADER]: request.remoteAddress,
      [TLS_HEADER]: request.overTls ? "1" : "0",
    },
    setHost: false,
  });
  outgoing.once("response", resolve);
  outgoing.once("error", reject);
  if (request.body === null) outgoing.end();
  else void pipeline(Readable.from(request.body), outgoing).catch(reject);
  return promise;
}

function toResponse(incoming: IncomingMessage): S3Response {
  const headers: Record<string, string> = {};
  for (const [name, value] of Object.entries(incoming.headers)) {
    if (value !== undefined && !HOP_BY_HOP.has(name)) headers[name] = String(value);
  }
  return { status: incoming.statusCode ?? 502, headers, body: incoming };
}

function slowDown({ requestId }: S3Request): S3Response {
  const headers = { "content-type": "application/xml", "retry-after": "2", "x-amz-request-id": requestId };
  const body = `<?xml version="1.0" encoding="UTF-8"?>
<Error><Code>SlowDown</Code><Message>No storage API can be reached: try again shortly.</Message><RequestId>${requestId}</RequestId></Error>`;
  return { status: 503, headers, body };
}
