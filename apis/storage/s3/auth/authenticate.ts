// The one door into the S3 API. Every handler takes an {@link Authenticated}, which only this module can make, so that
// a route without a verified signature does not compile (S01).

import type { Keyring, Principal } from "../../../auth/identity.ts";
import type { S3Request } from "../http.ts";
import {
  ALGORITHM,
  type CanonicalParts,
  canonicalPath,
  canonicalQuery,
  canonicalRequest,
  scopeText,
  stringToSign,
} from "./canonical.ts";
import { ChunkSigning } from "./chunk-signing.ts";
import { type Claim, QUERY_AUTH_PARAMETERS, readClaim } from "./claim.ts";
import { S3AuthError, signatureDoesNotMatch } from "./errors.ts";
import { type PayloadMode, parsePayloadMode, UNSIGNED_PAYLOAD } from "./payload-mode.ts";
import { sameDigest } from "./same-digest.ts";
import { checkScope, checkSignedHeaders, checkTime } from "./scope-check.ts";
import { hmacSha256Hex, SigningKeyCache } from "./signing-key.ts";
import { parseTarget, type S3Target } from "./target.ts";
import { formatTimestamp } from "./timestamp.ts";
import { type Version2Claim, verifyVersion2 } from "./version2.ts";

export { S3AuthError } from "./errors.ts";
export type { PayloadMode } from "./payload-mode.ts";

/** Not exported: without it no other module can write down an object of type {@link Authenticated}. */
const proof: unique symbol = Symbol("authenticated");

/** A request whose sender is proved, or proved to claim nothing (`anonymous`). */
export interface Authenticated {
  readonly [proof]: true;
  /** `{userId: "", name: "anonymous", admin: false}` for a request without credentials. */
  readonly principal: Principal;
  readonly anonymous: boolean;
  /** Undefined for an anonymous request. */
  readonly accessKeyId: string | undefined;
  readonly target: S3Target;
  /**
   * The request's headers, and for a presigned URL also the `x-amz-*` headers that its signer moved into the query
   * (`x-amz-acl`, `x-amz-meta-*`, ...). Handlers read headers from here.
   */
  readonly headers: ReadonlyMap<string, string>;
  /** Names of those that came from the query. */
  readonly hoistedHeaders: ReadonlySet<string>;
  readonly payload: PayloadMode;
  /** For the chunk signatures; undefined without a signature of version 4. */
  readonly signing: ChunkSigning | undefined;
}

export interface AuthenticateOptions {
  /** The region of this cluster; `us-east-1` is taken too. */
  region: string;
  /** Overrides the request's own. */
  virtualHostSuffix?: string;
}

const ANONYMOUS: Principal = Object.freeze({ userId: "", name: "anonymous", admin: false });
const NO_NAMES: ReadonlySet<string> = new Set();

/** Derived keys only; whether a key may be used is asked of the keyring at each request. */
const signingKeys = new SigningKeyCache();

/**
 * Proves who sent `request`, by Signature Version 4 in the Authorization header or in the query (presigned), or by one of
 * version 2 in the query, at the wall time `now` in ms. Throws {@link S3AuthError}. The body is not looked at: see
 * `verifyBody`.
 */
export function authenticate(
  request: S3Request,
  keyring: Keyring,
  now: number,
  options: AuthenticateOptions,
): Authenticated {
  const suffix = options.virtualHostSuffix ?? request.virtualHostSuffix;
  const target = parseTarget(request.target, request.headers.get("host"), suffix);
  const claim = readClaim(request, target.query);
  if (claim === undefined) return anonymous(request, target);

  if (claim.place !== "query-v2") checkScope(claim, options.region);
  const key = keyring.find(claim.accessKeyId);
  if (key === undefined) {
    throw new S3AuthError(
      "InvalidAccessKeyId",
      "The AWS Access Key Id you provided does not exist in our records.",
      { AWSAccessKeyId: claim.accessKeyId },
    );
  }
  refuseSessionToken(request, target);
  const proved =
    claim.place === "query-v2"
      ? provedByVersion2(request, target, claim, key.secretAccessKey, now)
      : provedByVersion4(request, target, claim, key.secretAccessKey, now);
  const hoisted = claim.place === "header" ? undefined : hoistHeaders(request, target);
  return {
    [proof]: true,
    principal: key.principal,
    anonymous: false,
    accessKeyId: claim.accessKeyId,
    target,
    headers: hoisted?.headers ?? request.headers,
    hoistedHeaders: hoisted?.names ?? NO_NAMES,
    ...proved,
  };
}

/** What a signature says of the body. */
type Proved = Pick<Authenticated, "payload" | "signing">;

function provedByVersion4(
  request: S3Request,
  target: S3Target,
  claim: Claim,
  secretAccessKey: string,
  now: number,
): Proved {
  checkTime(claim, now);
  checkSignedHeaders(claim, request.headers);
  const payloadHash = payloadHashOf(request, target, claim);
  const payload = parsePayloadMode(payloadHash);
  const signingKey = signingKeys.find(claim.accessKeyId, secretAccessKey, claim.scope);
  verifySignature(request, target, claim, payloadHash, signingKey);
  const signedAt = formatTimestamp(claim.signedAt);
  return {
    payload,
    signing: new ChunkSigning(signingKey, signedAt, scopeText(claim.scope), claim.signature),
  };
}

function provedByVersion2(
  request: S3Request,
  target: S3Target,
  claim: Version2Claim,
  secretAccessKey: string,
  now: number,
): Proved {
  const payload = unchainedPayload(request);
  verifyVersion2(request, target, claim, secretAccessKey, now);
  return { payload, signing: undefined };
}

/** A request without credentials may be let in by a bucket policy; it must not claim what only a signature can prove. */
function anonymous(request: S3Request, target: S3Target): Authenticated {
  const payload = unchainedPayload(request);
  return {
    [proof]: true,
    principal: ANONYMOUS,
    anonymous: true,
    accessKeyId: undefined,
    target,
    headers: request.headers,
    hoistedHeaders: NO_NAMES,
    payload,
    signing: undefined,
  };
}

/** The payload of a request that has no signature of version 4, which those of signed chunks begin with. */
function unchainedPayload({ headers }: S3Request): PayloadMode {
  const payload = parsePayloadMode(headers.get("x-amz-content-sha256") ?? UNSIGNED_PAYLOAD);
  if (payload.kind !== "chunked" || !payload.signed) return payload;
  throw new S3AuthError(
    "AccessDenied",
    `A request with signed chunks must be signed itself, by ${ALGORITHM}.`,
  );
}

/** Access keys here are permanent; S3 refuses a session token beside such a key. */
function refuseSessionToken(request: S3Request, target: S3Target): void {
  if (!request.headers.has("x-amz-security-token") && !target.query.has("X-Amz-Security-Token")) return;
  throw new S3AuthError(
    "InvalidToken",
    "The provided token is malformed or otherwise invalid: this access key needs no session token, send none.",
  );
}

function payloadHashOf(request: S3Request, target: S3Target, claim: Claim): string {
  const header = request.headers.get("x-amz-content-sha256");
  if (header !== undefined) return header;
  // A presigned URL is made before the body is known, so S3 takes it as UNSIGNED-PAYLOAD.
  if (claim.place === "query") return target.query.get("X-Amz-Content-Sha256") ?? UNSIGNED_PAYLOAD;
  throw new S3AuthError("InvalidRequest", "Missing required header for this request: x-amz-content-sha256");
}

function verifySignature(
  request: S3Request,
  target: S3Target,
  claim: Claim,
  payloadHash: string,
  signingKey: Uint8Array,
): void {
  const parts: CanonicalParts = {
    method: request.method,
    canonicalPath: canonicalPath(target.path),
    canonicalQuery: canonicalQuery(target.query),
    headers: request.headers,
    signedHeaders: claim.signedHeaders,
    payloadHash,
  };
  const timestamp = formatTimestamp(claim.signedAt);
  const scope = scopeText(claim.scope);
  const matches = (candidate: CanonicalParts): boolean => {
    const text = stringToSign(timestamp, scope, canonicalRequest(candidate));
    return sameDigest(hmacSha256Hex(signingKey, text), claim.signature);
  };
  if (matches(parts) || alternatives(parts, target).some(matches)) return;
  const canonical = canonicalRequest(parts);
  throw signatureDoesNotMatch({
    AWSAccessKeyId: claim.accessKeyId,
    StringToSign: stringToSign(timestamp, scope, canonical),
    SignatureProvided: claim.signature,
    CanonicalRequest: canonical,
  });
}

/**
 * Other readings of the same request that honest signers use; computed only after the first did not match.
 * 1. The path as sent. Like S3 we first re-encode the decoded path, but simple signers sign what they send, and leave
 *    `!$&'()*+,;=:@` bare. That opens nothing: for one signature, whichever reading matches, the decoded path is the
 *    same (a re-encoded path is its own re-encoding, and any other is matched by itself alone).
 * 2. Metadata given twice is signed as `a,b` and reaches us as `a, b`. Only metadata: in `x-amz-copy-source` that
 *    space would name another object.
 */
function alternatives(parts: CanonicalParts, target: S3Target): CanonicalParts[] {
  const paths = new Set([parts.canonicalPath, target.rawPath]);
  const headerSets = [parts.headers];
  if ([...parts.headers].some(([name, value]) => isMetadata(name) && value.includes(", "))) {
    const tight = [...parts.headers].map(([name, value]): [string, string] => [
      name,
      isMetadata(name) ? value.replaceAll(", ", ",") : value,
    ]);
    headerSets.push(new Map(tight));
  }
  const readings = headerSets.flatMap((headers) =>
    [...paths].map((path) => ({ ...parts, headers, canonicalPath: path })),
  );
  return readings.slice(1);
}

function isMetadata(name: string): boolean {
  return name.startsWith("x-amz-meta-");
}

function hoistHeaders(
  request: S3Request,
  target: S3Target,
): { headers: ReadonlyMap<string, string>; names: ReadonlySet<string> } | undefined {
  const names = new Set<string>();
  const headers = new Map(request.headers);
  for (const { name, value } of target.query.parameters) {
    const header = name.toLowerCase();
    if (!header.startsWith("x-amz-") || QUERY_AUTH_PARAMETERS.has(header)) continue;
    // A parameter is UTF-8 text, a header is bytes as Latin-1.
    const text = Buffer.from(value).toString("latin1");
    if (headers.has(header) && headers.get(header) !== text) {
      throw new S3AuthError(
        "AuthorizationQueryParametersError",
        `${name} is given more than once, with different values.`,
      );
    }
    headers.set(header, text);
    names.add(header);
  }
  return names.size > 0 ? { headers, names } : undefined;
}
