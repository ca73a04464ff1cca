// What a claim must fulfil before its signature is worth computing.

import type { Claim } from "./claim.ts";
import { S3AuthError, type S3AuthErrorCode } from "./errors.ts";
import { formatTimestamp } from "./timestamp.ts";

/** As S3: a captured request cannot be replayed after this, and clocks need not agree any better. */
export const SKEW_MS_MAX = 15 * 60 * 1000;

/** What clients sign with when nobody told them a region. */
const DEFAULT_REGION = "us-east-1";

/**
 * Throws unless the scope names this service, a region of ours and the day of the request. Besides `region`, `us-east-1`
 * is taken: it is the default of every SDK, a cluster is one region, and its keys are valid nowhere else, so that
 * nothing is gained by refusing what the signature proves anyway. Any other region is a client's mistake.
 */
export function checkScope(claim: Claim, region: string): void {
  const code = malformed(claim);
  if (claim.service !== "s3") {
    throw new S3AuthError(
      code,
      `The credential is wrong; incorrect service "${claim.service}", expecting "s3".`,
    );
  }
  if (claim.scope.region !== region && claim.scope.region !== DEFAULT_REGION) {
    const message = `The credential is wrong; the region '${claim.scope.region}' is wrong; expecting '${region}'`;
    throw new S3AuthError(code, message, { Region: region });
  }
  const day = formatTimestamp(claim.signedAt).slice(0, 8);
  if (claim.scope.date !== day) {
    const message = `Invalid credential date "${claim.scope.date}". This date is not the same as X-Amz-Date: "${day}".`;
    throw new S3AuthError(code, message);
  }
}

function malformed(claim: Claim): S3AuthErrorCode {
  return claim.place === "header" ? "AuthorizationHeaderMalformed" : "AuthorizationQueryParametersError";
}

/** Throws unless the claim holds at `now` (ms): within the skew, and for a presigned URL within its life. */
export function checkTime(claim: Claim, now: number): void {
  if (claim.expiresSeconds === undefined) {
    if (Math.abs(now - claim.signedAt) <= SKEW_MS_MAX) return;
    throw new S3AuthError(
      "RequestTimeTooSkewed",
      "The difference between the request time and the current time is too large.",
      {
        RequestTime: formatTimestamp(claim.signedAt),
        ServerTime: new Date(now).toISOString(),
        MaxAllowedSkewMilliseconds: String(SKEW_MS_MAX),
      },
    );
  }
  if (claim.signedAt - now > SKEW_MS_MAX) {
    throw new S3AuthError("AccessDenied", "Request is not valid yet", {
      ServerTime: new Date(now).toISOString(),
    });
  }
  const expires = claim.signedAt + claim.expiresSeconds * 1000;
  if (now <= expires) return;
  throw new S3AuthError("AccessDenied", "Request has expired", {
    "X-Amz-Expires": String(claim.expiresSeconds),
    Expires: new Date(expires).toISOString(),
    ServerTime: new Date(now).toISOString(),
  });
}

/** Of lists that were found well-formed: {@link readClaim} gives the same object for the same text. */
const wellFormed = new WeakMap<readonly string[], ReadonlySet<string>>();

/** A field name of RFC 9110 in lower case. */
const HEADER_NAME = /^[a-z0-9!#$%&'*+.^_`|~-]+$/;

/**
 * Throws unless SignedHeaders is sorted, lower-case and without repetition, and covers `host` and every `x-amz-*`
 * header of the request: an unsigned one could have been added by anybody who saw the request or the URL.
 */
export function checkSignedHeaders(claim: Claim, headers: ReadonlyMap<string, string>): void {
  const signed = signedNames(claim);
  const unsigned = signed.has("host") ? [] : ["host"];
  for (const name of headers.keys()) {
    if (name.startsWith("x-amz-") && !signed.has(name)) unsigned.push(name);
  }
  if (unsigned.length === 0) return;
  throw new S3AuthError("AccessDenied", "There were headers present in the request which were not signed", {
    HeadersNotSigned: unsigned.join(", "),
  });
}

function signedNames(claim: Claim): ReadonlySet<string> {
  const present = wellFormed.get(claim.signedHeaders);
  if (present) return present;
  let previous = "";
  for (const name of claim.signedHeaders) {
    if (!HEADER_NAME.test(name) || name <= previous) {
      throw new S3AuthError(malformed(claim), "SignedHeaders must be lower-case names, sorted, each once.");
    }
    previous = name;
  }
  const names = new Set(claim.signedHeaders);
  wellFormed.set(claim.signedHeaders, names);
  return names;
}
