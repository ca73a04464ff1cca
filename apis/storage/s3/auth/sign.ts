// The client's side of Signature Version 4, for load tests and for tests of the server's side. It shares only the
// canonical form with the server; that form itself is checked against published examples and the AWS SDK.

import {
  ALGORITHM,
  canonicalPath,
  canonicalQuery,
  canonicalRequest,
  type Scope,
  scopeText,
  stringToSign,
  uriEncode,
} from "./canonical.ts";
import { ChunkSigning } from "./chunk-signing.ts";
import { UNSIGNED_PAYLOAD } from "./payload-mode.ts";
import { deriveSigningKey, hmacSha256Hex, SigningKeyCache } from "./signing-key.ts";
import { parseTarget } from "./target.ts";
import { formatTimestamp } from "./timestamp.ts";

export interface Credentials {
  accessKeyId: string;
  secretAccessKey: string;
}

export interface RequestToSign {
  method: string;
  /** As in the Host header. */
  host: string;
  /** Percent-encoded, as it will be sent. */
  rawPath: string;
  /** Percent-encoded, without `?`. */
  query?: string;
  headers?: Readonly<Record<string, string>>;
  /** Hex SHA-256 of the body, or one of the named modes; `UNSIGNED-PAYLOAD` when left out. */
  payloadHash?: string;
}

const signingKeys = new SigningKeyCache(16);

/** Lower-case headers to send: the given ones, `host`, `x-amz-date`, `x-amz-content-sha256` and `authorization`. */
export function signRequest(
  request: RequestToSign,
  credentials: Credentials,
  region: string,
  now: number,
): Record<string, string> {
  const timestamp = formatTimestamp(now);
  const payloadHash = request.payloadHash ?? UNSIGNED_PAYLOAD;
  const headers = lowerCased(request);
  headers.set("x-amz-date", timestamp);
  headers.set("x-amz-content-sha256", payloadHash);
  const signedHeaders = [...headers.keys()].sort();
  const scope = { date: timestamp.slice(0, 8), region };
  const { signature } = sign(request, credentials, scope, timestamp, headers, signedHeaders, payloadHash);
  const credential = `${credentials.accessKeyId}/${scopeText(scope)}`;
  const authorization = `${ALGORITHM} Credential=${credential},SignedHeaders=${signedHeaders.join(";")},Signature=${signature}`;
  return { ...Object.fromEntries(headers), authorization };
}

/** The target (path and query) of a presigned URL that lives `expiresSeconds`; `headers` must be sent along with it. */
export function presign(
  request: RequestToSign,
  expiresSeconds: number,
  credentials: Credentials,
  region: string,
  now: number,
): string {
  const timestamp = formatTimestamp(now);
  const scope = { date: timestamp.slice(0, 8), region };
  const headers = lowerCased(request);
  const signedHeaders = [...headers.keys()].sort();
  const parameters: [string, string][] = [
    ["X-Amz-Algorithm", ALGORITHM],
    ["X-Amz-Credential", `${credentials.accessKeyId}/${scopeText(scope)}`],
    ["X-Amz-Date", timestamp],
    ["X-Amz-Expires", String(expiresSeconds)],
    ["X-Amz-SignedHeaders", signedHeaders.join(";")],
  ];
  if (request.payloadHash) parameters.push(["X-Amz-Content-Sha256", request.payloadHash]);
  const added = parameters.map(([name, value]) => `${name}=${uriEncode(value)}`).join("&");
  const query = request.query ? `${request.query}&${added}` : added;
  const payloadHash = request.payloadHash ?? UNSIGNED_PAYLOAD;
  const full = { ...request, query };
  const { signature } = sign(full, credentials, scope, timestamp, headers, signedHeaders, payloadHash);
  return `${request.rawPath}?${query}&X-Amz-Signature=${signature}`;
}

/** What signs the chunks of an aws-chunked body behind headers made by {@link signRequest} at the same `now`. */
export function chunkSigning(
  headers: Readonly<Record<string, string>>,
  credentials: Credentials,
  region: string,
  now: number,
): ChunkSigning {
  const timestamp = formatTimestamp(now);
  const scope = { date: timestamp.slice(0, 8), region };
  const seed = /Signature=([0-9a-f]{64})/.exec(headers.authorization ?? "")?.[1];
  if (seed === undefined) throw new TypeError("the headers are not signed: make them with signRequest");
  return new ChunkSigning(
    deriveSigningKey(credentials.secretAccessKey, scope),
    timestamp,
    scopeText(scope),
    seed,
  );
}

function lowerCased(request: RequestToSign): Map<string, string> {
  const headers = new Map<string, string>();
  for (const [name, value] of Object.entries(request.headers ?? {})) headers.set(name.toLowerCase(), value);
  return headers.set("host", request.host);
}

function sign(
  request: RequestToSign,
  credentials: Credentials,
  scope: Scope,
  timestamp: string,
  headers: ReadonlyMap<string, string>,
  signedHeaders: readonly string[],
  payloadHash: string,
): { signature: string } {
  const target = parseTarget(
    request.query ? `${request.rawPath}?${request.query}` : request.rawPath,
    undefined,
  );
  const canonical = canonicalRequest({
    method: request.method,
    canonicalPath: canonicalPath(target.path),
    canonicalQuery: canonicalQuery(target.query),
    headers,
    signedHeaders,
    payloadHash,
  });
  const signingKey = signingKeys.find(credentials.accessKeyId, credentials.secretAccessKey, scope);
  return { signature: hmacSha256Hex(signingKey, stringToSign(timestamp, scopeText(scope), canonical)) };
}
