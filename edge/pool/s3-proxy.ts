// S3 to another process by node:http and not fetch: the request target must arrive byte for byte, since a signature
// covers it.
import { Agent, type ClientRequest, request as httpRequest, type IncomingMessage } from "node:http";
import { originHeaders } from "../../apis/gateway-trust.ts";
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

/** The client's body ended in an error: nothing is wrong with the process behind. */
class BrokenOff extends Error {
  override name = "BrokenOff";
}

export function s3Proxy(backends: Backends, token: string): S3Handler {
  const agent = new Agent({ keepAlive: true, maxSockets: SOCKETS_MAX });
  return async (request) => {
    const base = backends.pick();
    if (base === undefined) return slowDown(request);
    try {
      return toResponse(await forward(base, request, agent, token));
    } catch (error) {
      if (!(error instanceof BrokenOff)) backends.failed(base);
      return slowDown(request);
    }
  };
}

function forward(base: string, request: S3Request, agent: Agent, token: string): Promise<IncomingMessage> {
  const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>();
  const { hostname, port } = new URL(base);
  const headers = Object.fromEntries([...request.headers].filter(([name]) => !HOP_BY_HOP.has(name)));
  const { remoteAddress: source, requestId, overTls = false } = request;
  const outgoing = httpRequest({
    agent,
    host: hostname.replace(/^\[|\]$/g, ""),
    port,
    method: request.method,
    path: request.target,
    headers: { ...headers, ...originHeaders({ source, requestId, overTls }, token) },
    setHost: false,
  });
  outgoing.once("response", (incoming) => {
    resolve(incoming);
    // After an early answer the rest of the body never comes: nothing else may be sent on that connection.
    incoming.once("end", () => {
      if (!outgoing.writableEnded) outgoing.destroy();
    });
  });
  outgoing.once("error", reject);
  if (request.body === null) outgoing.end();
  else {
    void sendBody(request.body, outgoing, promise).catch((cause) => {
      reject(new BrokenOff("the request broke off", { cause }));
      outgoing.destroy();
    });
  }
  return promise;
}

/**
 * Sends pieces one by one, since each is gone once its source is asked for the next; stops when it is `answered` early, or
 * nothing is taken any more. Rejects where the body does.
 */
async function sendBody(
  body: AsyncIterable<Uint8Array>,
  outgoing: ClientRequest,
  answered: Promise<unknown>,
): Promise<void> {
  let early = false;
  let goOn = (): void => {};
  const stop = (): void => {
    early = true;
    goOn();
  };
  void answered.then(stop, stop);
  // A refusal may need no byte of it.
  outgoing.flushHeaders();
  for await (const piece of body) {
    if (early) return;
    await new Promise<void>((resolve) => {
      goOn = resolve;
      // Also called where that fails, of which the request's own event tells.
      outgoing.write(piece, () => resolve());
    });
  }
  outgoing.end();
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
