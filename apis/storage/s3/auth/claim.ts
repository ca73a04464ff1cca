// What a request says about who signed it. Nothing in a claim is proved yet.

import type { S3Request } from "../http.ts";
import { ALGORITHM, type Scope } from "./canonical.ts";
import { S3AuthError, type S3AuthErrorCode } from "./errors.ts";
import type { Query } from "./query.ts";
import { Remembered } from "./remembered.ts";
import { PRESIGN_SECONDS_MAX, parseDateHeader, parseTimestamp } from "./timestamp.ts";
import { isVersion2, readVersion2Claim, type Version2Claim } from "./version2.ts";

export interface Claim {
  readonly place: "header" | "query";
  readonly accessKeyId: string;
  readonly scope: Scope;
  readonly service: string;
  /** As given: order and case are checked against the request. */
  readonly signedHeaders: readonly string[];
  /** 64 lower-case hex digits. */
  readonly signature: string;
  /** When it was signed: ms since the Unix epoch. */
  readonly signedAt: number;
  /** Life of a presigned URL in seconds; undefined for header authentication. */
  readonly expiresSeconds: number | undefined;
}

const QUERY_MARKS = new Set(["x-amz-algorithm", "x-amz-credential", "x-amz-signature"]);
const QUERY_REQUIRED = [
  "X-Amz-Algorithm",
  "X-Amz-Credential",
  "X-Amz-Signature",
  "X-Amz-Date",
  "X-Amz-SignedHeaders",
  "X-Amz-Expires",
] as const;

/** Query parameters that belong to authentication itself, in lower case. */
export const QUERY_AUTH_PARAMETERS: ReadonlySet<string> = new Set([
  ...QUERY_REQUIRED.map((name) => name.toLowerCase()),
  "x-amz-content-sha256",
  "x-amz-security-token",
]);

/** What an Authorization header says besides the signature. */
type Signer = Pick<Claim, "accessKeyId" | "scope" | "service" | "signedHeaders">;

const SIGNATURE = "Signature=";

/** A client's requests of one day, region and set of headers have the same; room for more than one machine serves. */
const SIGNERS_MAX = 2048;
const signers = new Remembered(SIGNERS_MAX, readSigner);

const HEX_SIGNATURE = /^[0-9a-f]{64}$/;

/**
 * Reads the claim from the Authorization header or from the query, undefined where neither has one. ONE function looks
 * at both places, so that no gate can look at the header while another trusts the query (S01). Throws S3AuthError.
 */
export function readClaim(request: S3Request, query: Query): Claim | Version2Claim | undefined {
  const authorization = request.headers.get("authorization");
  const inQuery = query.parameters.some(({ name }) => QUERY_MARKS.has(name.toLowerCase()));
  const version2 = isVersion2(query);
  if (Number(authorization !== undefined) + Number(inQuery) + Number(version2) > 1) {
    throw new S3AuthError(
      "InvalidArgument",
      "Only one auth mechanism allowed; only the X-Amz-Algorithm query parameter, Signature query string parameter " +
        "or the Authorization header should be specified.",
      { ArgumentName: "Authorization" },
    );
  }
  if (authorization !== undefined) return claimOfHeader(authorization, request.headers);
  if (inQuery) return claimOfQuery(query);
  return version2 ? readVersion2Claim(query) : undefined;
}

function unsupportedMechanism(): S3AuthError {
  const message = `The authorization mechanism you have provided is not supported. Please use ${ALGORITHM}.`;
  return new S3AuthError("InvalidRequest", message);
}

function claimOfHeader(authorization: string, headers: ReadonlyMap<string, string>): Claim {
  const name = authorization.indexOf(SIGNATURE);
  const begin = name < 0 ? authorization.length : name + SIGNATURE.length;
  const comma = authorization.indexOf(",", begin);
  const end = comma < 0 ? authorization.length : comma;
  const rest = authorization.slice(0, begin) + authorization.slice(end);
  const { accessKeyId, scope, service, signedHeaders } = signers.of(rest);
  return {
    place: "header",
    accessKeyId,
    scope,
    service,
    signedHeaders,
    signature: parseSignature(authorization.slice(begin, end).trim(), "AuthorizationHeaderMalformed"),
    signedAt: requestDate(headers),
    expiresSeconds: undefined,
  };
}

/** Reads an Authorization header whose signature was cut out. */
function readSigner(text: string): Signer {
  const space = text.search(/\s/);
  const scheme = space < 0 ? text : text.slice(0, space);
  if (scheme !== ALGORITHM) {
    if (scheme === "AWS" || scheme.startsWith("AWS4-")) throw unsupportedMechanism();
    throw new S3AuthError("InvalidArgument", `Unsupported Authorization Type. Please use ${ALGORITHM}.`, {
      ArgumentName: "Authorization",
    });
  }
  const { Credential, SignedHeaders } = headerFields(space < 0 ? "" : text.slice(space));
  return {
    ...parseCredential(Credential, "AuthorizationHeaderMalformed"),
    signedHeaders: SignedHeaders.split(";"),
  };
}

/** `Credential=..., SignedHeaders=..., Signature=`: each once, nothing else. */
function headerFields(text: string): Record<"Credential" | "SignedHeaders", string> {
  const fields = new Map<string, string>();
  for (const part of text.split(",")) {
    const equals = part.indexOf("=");
    const name = part.slice(0, Math.max(equals, 0)).trim();
    if (fields.has(name)) throw malformedHeader();
    fields.set(name, part.slice(equals + 1).trim());
  }
  const Credential = fields.get("Credential");
  const SignedHeaders = fields.get("SignedHeaders");
  if (fields.size !== 3 || !Credential || !SignedHeaders || fields.get("Signature") !== "") {
    throw malformedHeader();
  }
  return { Credential, SignedHeaders };
}

function malformedHeader(): S3AuthError {
  return new S3AuthError(
    "AuthorizationHeaderMalformed",
    "The authorization header is malformed; it must have Credential, SignedHeaders and Signature, each once.",
  );
}

/** The moment a header-signed request was signed at. `x-amz-date` wins over `Date`. */
function requestDate(headers: ReadonlyMap<string, string>): number {
  const amzDate = headers.get("x-amz-date");
  const date = headers.get("date");
  const signedAt = amzDate !== undefined ? parseTimestamp(amzDate) : date && parseDateHeader(date);
  if (typeof signedAt === "number") return signedAt;
  throw new S3AuthError("AccessDenied", "AWS authentication requires a valid Date or x-amz-date header.");
}

function claimOfQuery(query: Query): Claim {
  const code = "AuthorizationQueryParametersError";
  const [algorithm, credential, signature, date, signedHeaders, expires] = QUERY_REQUIRED.map((name) =>
    soleParameter(query, name),
  ) as [string, string, string, string, string, string];
  if (algorithm !== ALGORITHM) throw new S3AuthError(code, `X-Amz-Algorithm only supports "${ALGORITHM}".`);
  const signedAt = parseTimestamp(date);
  if (signedAt === undefined) {
    throw new S3AuthError(code, `X-Amz-Date must be in the ISO8601 Long Format "yyyyMMdd'T'HHmmss'Z'".`);
  }
  return {
    place: "query",
    ...parseCredential(credential, code),
    signedHeaders: signedHeaders.split(";"),
    signature: parseSignature(signature, code),
    signedAt,
    expiresSeconds: parseExpires(expires),
  };
}

/** A parameter of authentication that is there twice has no one meaning. */
function soleParameter(query: Query, name: string): string {
  const values = query.all(name);
  if (values.length === 1 && values[0] !== "") return values[0]!;
  const message =
    values.length > 1
      ? `${name} must not be given more than once.`
      : `Query-string authentication version 4 requires the ${QUERY_REQUIRED.join(", ")} parameters.`;
  throw new S3AuthError("AuthorizationQueryParametersError", message);
}

function parseExpires(text: string): number {
  const seconds = /^-?\d{1,15}$/.test(text) ? Number(text) : Number.NaN;
  if (seconds >= 1 && seconds <= PRESIGN_SECONDS_MAX) return seconds;
  const wrong = Number.isNaN(seconds)
    ? "should be a number"
    : seconds < 1
      ? "must be at least 1 second"
      : `must be less than a week (in seconds); that is, ${PRESIGN_SECONDS_MAX} at most`;
  throw new S3AuthError("AuthorizationQueryParametersError", `X-Amz-Expires ${wrong}.`);
}

/** `<key id>/<YYYYMMDD>/<region>/s3/aws4_request`. Read from the end, as imported key ids may contain slashes. */
function parseCredential(
  text: string,
  code: S3AuthErrorCode,
): { accessKeyId: string; scope: Scope; service: string } {
  const parts = text.split("/");
  const [date, region, service, terminator] = parts.slice(-4) as [string, string, string, string];
  const accessKeyId = parts.slice(0, -4).join("/");
  if (accessKeyId === "" || !/^\d{8}$/.test(date) || region === "" || terminator !== "aws4_request") {
    const form = `"<YOUR-AKID>/YYYYMMDD/REGION/s3/aws4_request"`;
    throw new S3AuthError(code, `The credential is malformed; expecting ${form}.`);
  }
  return { accessKeyId, scope: { date, region }, service };
}

function parseSignature(text: string, code: S3AuthErrorCode): string {
  if (HEX_SIGNATURE.test(text)) return text;
  throw new S3AuthError(code, "The signature is malformed; expecting 64 lower-case hexadecimal digits.");
}
