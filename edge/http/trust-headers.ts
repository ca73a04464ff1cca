// Headers by which proxies tell a server who the client is. Here the client itself would be telling it.
import { GATEWAY_HEADERS } from "../../apis/gateway-trust.ts";

const TRUSTED = new Set([
  "forwarded",
  "x-real-ip",
  "x-client-ip",
  "x-cluster-client-ip",
  "true-client-ip",
  "cf-connecting-ip",
  "x-original-url",
  "x-rewrite-url",
  "x-request-id",
]);

/** By these, gateways tell it to processes behind them. */
const GATEWAYS_OWN = new Set(GATEWAY_HEADERS);

/** Whether a client may not set `name`, in whatever case and with underscores for dashes. */
export function isTrustHeader(name: string): boolean {
  const canonical = name.toLowerCase().replaceAll("_", "-");
  return TRUSTED.has(canonical) || canonical.startsWith("x-forwarded-") || GATEWAYS_OWN.has(canonical);
}

/** Removes them from the headers of a request. */
export function stripTrustHeaders(headers: Headers): void {
  const given = [...headers.keys()].filter(isTrustHeader);
  for (const name of given) headers.delete(name);
}
