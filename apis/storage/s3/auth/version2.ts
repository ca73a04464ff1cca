// Presigned URLs of Signature Version 2: what boto3 and `aws s3 presign` make unless they are told otherwise, so that they
// are met everywhere. Nothing else of version 2 is taken ("Signing and authenticating REST requests" in the S3 API
// reference, appendix).
import type { S3Request } from "../http.ts";
import { S3AuthError, signatureDoesNotMatch } from "./errors.ts";
import type { Query } from "./query.ts";
import { sameDigest } from "./same-digest.ts";
import { isVirtualHostStyle, type S3Target } from "./target.ts";
import { PRESIGN_SECONDS_MAX } from "./timestamp.ts";

export interface Version2Claim {
  readonly place: "query-v2";
  readonly accessKeyId: string;
  /** Base64. */
  readonly signature: string;
  /** Seconds since the Unix epoch, as given. */
  readonly expires: string;
}

const MARKS = ["AWSAccessKeyId", "Signature"] as const;
const REQUIRED = [...MARKS, "Expires"] as const;

/** Query parameters that the signature covers, besides `x-amz-*`. */
const SIGNED: ReadonlySet<string> = new Set([
  "acl",
  "cors",
  "delete",
  "lifecycle",
  "location",
  "logging",
  "notification",
  "partNumber",
  "policy",
  "requestPayment",
  "response-cache-control",
  "response-content-disposition",
  "response-content-encoding",
  "response-content-language",
  "response-content-type",
  "response-expires",
  "restore",
  "tagging",
  "torrent",
  "uploadId",
  "uploads",
  "versionId",
  "versioning",
  "versions",
  "website",
]);

/** Repeat signed headers, which are looked at in their place (botocore). */
const REPEATED: ReadonlySet<string> = new Set(["content-md5", "content-type"]);

const LINE_BREAK = /[\r\n]/;

export function isVersion2(query: Query): boolean {
  return MARKS.some((name) => query.has(name));
}

/** Throws {@link S3AuthError} for parameters that are missing or given twice. */
export function readVersion2Claim(query: Query): Version2Claim {
  const [accessKeyId, signature, expires] = REQUIRED.map((name) => {
    const [value, ...more] = query.all(name);
    if (value && more.length === 0) return value;
    const message = `Query-string authentication version 2 requires the ${REQUIRED.join(", ")} parameters, each once.`;
    throw new S3AuthError("AccessDenied", message);
  }) as [string, string, string];
  return { place: "query-v2", accessKeyId, signature, expires };
}

/**
 * Throws {@link S3AuthError} unless `request` is what the owner of `secretAccessKey` signed and `now` (ms) is within its
 * life. Stricter than S3: it may not live longer than one of version 4, and has no parameter that is not signed.
 */
export function verifyVersion2(
  request: S3Request,
  target: S3Target,
  claim: Version2Claim,
  secretAccessKey: string,
  now: number,
): void {
  checkLife(claim, now);
  for (const { name, value } of target.query.parameters) {
    // What is signed is lines, so that one with a break could be taken for two others.
    if (isCovered(name) && !LINE_BREAK.test(value)) continue;
    throw new S3AuthError(
      "AccessDenied",
      `Signature version 2 does not cover the parameter ${name}; sign with AWS4-HMAC-SHA256.`,
    );
  }
  const text = stringToSign(request, target, claim.expires);
  const expected = new Bun.CryptoHasher("sha1", secretAccessKey).update(text).digest("base64");
  if (sameDigest(expected, claim.signature)) return;
  const { accessKeyId: AWSAccessKeyId, signature: SignatureProvided } = claim;
  throw signatureDoesNotMatch({ AWSAccessKeyId, StringToSign: text, SignatureProvided });
}

function checkLife({ expires }: Version2Claim, now: number): void {
  const until = /^\d{1,12}$/.test(expires) ? Number(expires) * 1000 : Number.NaN;
  const times = { Expires: expires, ServerTime: new Date(now).toISOString() };
  if (Number.isNaN(until))
    throw new S3AuthError("AccessDenied", "Expires must be seconds since 1970.", times);
  if (until < now) throw new S3AuthError("AccessDenied", "Request has expired", times);
  if (until - now <= PRESIGN_SECONDS_MAX * 1000) return;
  throw new S3AuthError("AccessDenied", "Expires must be less than a week ahead.", times);
}

function isCovered(name: string): boolean {
  if (SIGNED.has(name) || (REQUIRED as readonly string[]).includes(name)) return true;
  const lower = name.toLowerCase();
  return lower.startsWith("x-amz-") || REPEATED.has(lower);
}

/** The signature covers it: method, two headers, the end of its life, all `x-amz-*`, the path as sent and {@link SIGNED}. */
function stringToSign({ method, headers }: S3Request, target: S3Target, expires: string): string {
  const given = (name: string) => headers.get(name) ?? "";
  const lines = [method, given("content-md5"), given("content-type"), expires, ...amzLines(headers, target)];
  return `${lines.join("\n")}\n${resourceOf(target)}`;
}

/** Of headers and of parameters that were headers when it was signed, as `name:value`, sorted by name. */
function amzLines(headers: ReadonlyMap<string, string>, { query }: S3Target): string[] {
  const values = new Map<string, string>();
  for (const [name, value] of headers) if (name.startsWith("x-amz-")) values.set(name, value.trim());
  for (const { name, value } of query.parameters) {
    const lower = name.toLowerCase();
    if (lower.startsWith("x-amz-")) values.set(lower, Buffer.from(value).toString("latin1").trim());
  }
  return [...values].sort(byName).map(([name, value]) => `${name}:${value}`);
}

function resourceOf(target: S3Target): string {
  const path = isVirtualHostStyle(target) ? `/${target.bucket}${target.rawPath}` : target.rawPath;
  const signed = target.query.parameters
    .filter(({ name }) => SIGNED.has(name))
    .map(({ name, value }): [string, string] => [name, value])
    .sort(byName)
    .map(([name, value]) => (value === "" ? name : `${name}=${value}`));
  return signed.length > 0 ? `${path}?${signed.join("&")}` : path;
}

function byName([a]: [string, string], [b]: [string, string]): number {
  return a < b ? -1 : Number(a > b);
}
