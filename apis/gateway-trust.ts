// How the role `apis` knows that a request comes through a gateway of its own cluster, which may then say who the
// client is and what the request is called. Anybody else who reaches the port is the client himself.
import { createHmac, timingSafeEqual } from "node:crypto";
import type { S3Handler } from "./storage/s3/http.ts";

/** Proves the gateway; holds the value of {@link gatewayToken}. */
const GATEWAY_HEADER = "x-skerry-gateway";
/** The client's address, as the gateway saw it. */
const SOURCE_HEADER = "x-skerry-source";
/** The id that the gateway gave the request. */
const REQUEST_ID_HEADER = "x-skerry-request-id";

/** "1" where the client's connection to the gateway was under TLS. */
const TLS_HEADER = "x-skerry-tls";
/** What is between a gateway and the APIs, and goes no further. */
export const GATEWAY_HEADERS = [GATEWAY_HEADER, SOURCE_HEADER, REQUEST_ID_HEADER, TLS_HEADER];

/** What a gateway tells about a request. */
export interface Origin {
  /** The client's address. */
  source: string;
  /** For logs, and for the client in X-Request-Id. */
  requestId: string;
  /** Whether the client's connection was under TLS. */
  overTls: boolean;
}

/** What a gateway of the cluster with `clusterSecret` sends; tells nothing about the secret. */
export function gatewayToken(clusterSecret: string): string {
  return createHmac("sha256", clusterSecret).update("skerry gateway").digest("hex");
}

/** The headers that tell `origin` to another process, in the name of whoever has `token`. */
export function originHeaders({ source, requestId, overTls }: Origin, token: string): Record<string, string> {
  return {
    [GATEWAY_HEADER]: token,
    [SOURCE_HEADER]: source,
    [REQUEST_ID_HEADER]: requestId,
    [TLS_HEADER]: overTls ? "1" : "0",
  };
}

/** The gateway's word where one has proved itself by `token`; else `own`, what this process knows by itself. */
export function originOf(
  header: (name: string) => string | null | undefined,
  own: Origin,
  token: string,
): Origin {
  const given = Buffer.from(header(GATEWAY_HEADER) ?? "");
  const expected = Buffer.from(token);
  if (given.length !== expected.length || !timingSafeEqual(given, expected)) return own;
  return {
    source: header(SOURCE_HEADER) || own.source,
    requestId: header(REQUEST_ID_HEADER) || own.requestId,
    overTls: header(TLS_HEADER) === "1",
  };
}

/** `handler` for requests that may come through a gateway. */
export function s3ByGateway(handler: S3Handler, token: string): S3Handler {
  return (request) => {
    const { remoteAddress, requestId, overTls = false } = request;
    const own = { source: remoteAddress, requestId, overTls };
    const origin = originOf((name) => request.headers.get(name), own, token);
    const { source, ...more } = origin;
    return handler({ ...request, ...more, remoteAddress: source });
  };
}
