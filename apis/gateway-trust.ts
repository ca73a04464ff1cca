// How the role `apis` knows that a request comes through a gateway of its own cluster, which may then say who the
// client is. Anybody else who reaches the port is the client himself.
import { createHmac, timingSafeEqual } from "node:crypto";
import type { S3Handler } from "./storage/s3/http.ts";

/** Proves the gateway; holds the value of {@link gatewayToken}. */
export const GATEWAY_HEADER = "x-skerry-gateway";
/** The client's address, as the gateway saw it. */
export const SOURCE_HEADER = "x-skerry-source";

/** What a gateway of the cluster with `clusterSecret` sends; tells nothing about the secret. */
export function gatewayToken(clusterSecret: string): string {
  return createHmac("sha256", clusterSecret).update("skerry gateway").digest("hex");
}

/** The client's address: the gateway's word where one has proved itself by `token`, else the peer's address. */
export function sourceOf(
  header: (name: string) => string | null | undefined,
  peer: string,
  token: string,
): string {
  const given = Buffer.from(header(GATEWAY_HEADER) ?? "");
  const expected = Buffer.from(token);
  const proved = given.length === expected.length && timingSafeEqual(given, expected);
  return (proved && header(SOURCE_HEADER)) || peer;
}

/** `handler` for a port that gateways reach: it is told who the client is as {@link sourceOf} has it, and no more of the gateway. */
export function behindGateways(handler: S3Handler, token: string): S3Handler {
  return (request) => {
    const headers = new Map(request.headers);
    const remoteAddress = sourceOf((name) => headers.get(name), request.remoteAddress, token);
    headers.delete(GATEWAY_HEADER);
    headers.delete(SOURCE_HEADER);
    return handler({ ...request, headers, remoteAddress });
  };
}
