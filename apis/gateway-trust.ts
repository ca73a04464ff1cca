// How the role `apis` knows that a request comes through a gateway of its own cluster, which may then say who the
// client is. Anybody else who reaches the port is the client himself.
import { createHmac, timingSafeEqual } from "node:crypto";
import type { S3Handler } from "./storage/s3/http.ts";

/** Proves the gateway; holds the value of {@link gatewayToken}. */
export const GATEWAY_HEADER = "x-skerry-gateway";
/** The client's address, as the gateway saw it. */
export const SOURCE_HEADER = "x-skerry-source";
/** "1" where the client's connection to the gateway was under TLS. */
export const TLS_HEADER = "x-skerry-tls";

const ALL_HEADERS = [GATEWAY_HEADER, SOURCE_HEADER, TLS_HEADER];

type Header = (name: string) => string | null | undefined;

interface ClientConnection {
  /** The client's address. */
  source: string;
  overTls: boolean;
}

/** What a gateway of the cluster with `clusterSecret` sends; tells nothing about the secret. */
export function gatewayToken(clusterSecret: string): string {
  return createHmac("sha256", clusterSecret).update("skerry gateway").digest("hex");
}

/** The gateway's word where one has proved itself by `token`, else what is seen here. */
function clientConnection(header: Header, seen: ClientConnection, token: string): ClientConnection {
  const given = Buffer.from(header(GATEWAY_HEADER) ?? "");
  const expected = Buffer.from(token);
  const proved = given.length === expected.length && timingSafeEqual(given, expected);
  if (!proved) return seen;
  return { source: header(SOURCE_HEADER) || seen.source, overTls: header(TLS_HEADER) === "1" };
}

/** Of requests that came here without TLS: whether the client's connection to the gateway had it. */
const throughGateways = new WeakMap<Request, boolean>();

/** Whether the client's connection was under TLS: to this process, or to a gateway that has proved itself. */
export function isOverTls(request: Request): boolean {
  // The URL alone is the client's word: it may write one into the request line.
  return throughGateways.get(request) ?? request.url.startsWith("https:");
}

/** The client's address, for a port without TLS that gateways reach. `request` keeps nothing of what is between them. */
export function sourceOf(request: Request, peer: string, token: string): string {
  const seen = { source: peer, overTls: false };
  const { source, overTls } = clientConnection((name) => request.headers.get(name), seen, token);
  throughGateways.set(request, overTls);
  for (const name of ALL_HEADERS) request.headers.delete(name);
  return source;
}

/** `handler` for such a port. */
export function behindGateways(handler: S3Handler, token: string): S3Handler {
  return (request) => {
    const headers = new Map(request.headers);
    const seen = { source: request.remoteAddress, overTls: false };
    const { source, overTls } = clientConnection((name) => headers.get(name), seen, token);
    for (const name of ALL_HEADERS) headers.delete(name);
    return handler({ ...request, headers, remoteAddress: source, overTls });
  };
}
