// Signature Version 4 as S3 uses it: the canonical request and the string to sign ("Authenticating Requests: Using the
// Authorization Header" in the S3 API reference). Shared by the server's check and the client's signer.

import type { Query } from "./query.ts";

export const ALGORITHM = "AWS4-HMAC-SHA256";

/** What a credential is good for; both sides derive the signing key from it. */
export interface Scope {
  /** YYYYMMDD. */
  readonly date: string;
  readonly region: string;
}

/** The parts of a canonical request. */
export interface CanonicalParts {
  readonly method: string;
  readonly canonicalPath: string;
  readonly canonicalQuery: string;
  /** Lower-case names. */
  readonly headers: ReadonlyMap<string, string>;
  /** Lower-case and sorted. */
  readonly signedHeaders: readonly string[];
  readonly payloadHash: string;
}

export function scopeText(scope: Scope): string {
  return `${scope.date}/${scope.region}/s3/aws4_request`;
}

const UNRESERVED = /^[A-Za-z0-9\-._~]*$/;
const UNRESERVED_PATH = /^[A-Za-z0-9\-._~/]*$/;

/** Percent-encodes all but the unreserved characters of RFC 3986. */
export function uriEncode(text: string): string {
  if (UNRESERVED.test(text)) return text;
  return encodeURIComponent(text).replace(
    /[!'()*]/g,
    (c) => `%${c.charCodeAt(0).toString(16).toUpperCase()}`,
  );
}

/** The canonical URI of a decoded path. S3 encodes it once and, unlike other services, does not normalise it. */
export function canonicalPath(path: string): string {
  return UNRESERVED_PATH.test(path) ? path : uriEncode(path).replaceAll("%2F", "/");
}

/** Sorted by encoded name, then by encoded value; the signature itself is left out. */
export function canonicalQuery(query: Query): string {
  if (query.parameters.length === 0) return "";
  const encoded: [name: string, value: string][] = [];
  for (const { name, value } of query.parameters) {
    if (name !== "X-Amz-Signature") encoded.push([uriEncode(name), uriEncode(value)]);
  }
  encoded.sort(([nameA, valueA], [nameB, valueB]) => compare(nameA, nameB) || compare(valueA, valueB));
  return encoded.map(([name, value]) => `${name}=${value}`).join("&");
}

/** By code units, so by bytes for what is ASCII. */
function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

export function canonicalRequest(parts: CanonicalParts): string {
  let headers = "";
  for (const name of parts.signedHeaders)
    headers += `${name}:${canonicalValue(parts.headers.get(name) ?? "")}\n`;
  const names = parts.signedHeaders.join(";");
  return `${parts.method}\n${parts.canonicalPath}\n${parts.canonicalQuery}\n${headers}\n${names}\n${parts.payloadHash}`;
}

const SPACE_TO_COLLAPSE = /^\s|\s$|\s\s|[\t\r\n\f\v]/;

function canonicalValue(value: string): string {
  return SPACE_TO_COLLAPSE.test(value) ? value.trim().replace(/\s+/g, " ") : value;
}

export function stringToSign(timestamp: string, scope: string, canonical: string): string {
  return `${ALGORITHM}\n${timestamp}\n${scope}\n${sha256Hex(canonical)}`;
}

/**
 * Hex SHA-256 of the bytes that went over the wire. HTTP servers hand out header bytes as Latin-1 strings; a string
 * that Latin-1 cannot hold was decoded already and is hashed as UTF-8.
 */
function sha256Hex(text: string): string {
  // Nearly always, and then a call without an object of its own does.
  if (/^[\x20-\x7e\n]*$/.test(text)) return Bun.SHA256.hash(text, "hex");
  return new Bun.CryptoHasher("sha256")
    .update(text, /[\u0100-\uffff]/.test(text) ? "utf8" : "latin1")
    .digest("hex");
}
