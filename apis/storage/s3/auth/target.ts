// The request target is parsed exactly once, here. Authorization, the signature and storage all work on this struct:
// systems that decoded the path a second time on the way to storage let a caller be authorized for one key and read
// another (S05). Bucket and key are split AFTER decoding, so that they depend only on the decoded path, which is what
// the signature covers: two spellings with one signature are one object.

import { S3AuthError } from "./errors.ts";
import { decodePercent, parseQuery, type Query } from "./query.ts";

export { Query } from "./query.ts";

export interface S3Target {
  readonly bucket?: string;
  /** Decoded once and otherwise as sent: `//`, `.` and `..` are ordinary characters of a key. Never "". */
  readonly key?: string;
  readonly query: Query;
  /** The path, decoded once; begins with `/`. In virtual-host style it is the key alone. */
  readonly path: string;
  /** The path as sent. */
  readonly rawPath: string;
  /** What followed the `?` as sent, or "". */
  readonly rawQuery: string;
}

/** Room for a key of 1024 bytes, all of them percent-encoded, and for a presigned query with a session token. */
export const TARGET_LENGTH_MAX = 16 * 1024;

/** Everything that RFC 3986 allows in a URI is printable ASCII. */
const PRINTABLE_ASCII = /^[!-~]*$/;

/**
 * Parses a request target in path style (`/bucket/key`), or in virtual-host style (`/key`, host `bucket.suffix`) where
 * `host` is a subdomain of `virtualHostSuffix` (no port). Throws {@link S3AuthError} `InvalidURI`.
 */
export function parseTarget(target: string, host: string | undefined, virtualHostSuffix?: string): S3Target {
  if (target.length > TARGET_LENGTH_MAX) {
    throw new S3AuthError("InvalidURI", `The request URI is longer than ${TARGET_LENGTH_MAX} bytes.`);
  }
  if (!target.startsWith("/"))
    throw new S3AuthError("InvalidURI", "The request URI must begin with a slash.");
  if (!PRINTABLE_ASCII.test(target)) {
    throw new S3AuthError(
      "InvalidURI",
      "Characters outside printable ASCII must be percent-encoded in the URI.",
    );
  }
  const question = target.indexOf("?");
  const rawPath = question < 0 ? target : target.slice(0, question);
  const rawQuery = question < 0 ? "" : target.slice(question + 1);
  const path = decodePercent(rawPath);
  const place = { query: parseQuery(rawQuery), path, rawPath, rawQuery };
  const bucket = bucketOfHost(host, virtualHostSuffix);
  return bucket === undefined
    ? { ...splitPath(path), ...place }
    : { bucket, ...named(path.slice(1)), ...place };
}

function splitPath(path: string): { bucket?: string; key?: string } {
  if (path === "/") return {};
  const slash = path.indexOf("/", 1);
  const bucket = slash < 0 ? path.slice(1) : path.slice(1, slash);
  if (bucket === "") throw new S3AuthError("InvalidURI", "The bucket name in the URI is empty.");
  return { bucket, ...named(slash < 0 ? "" : path.slice(slash + 1)) };
}

function named(key: string): { key?: string } {
  return key === "" ? {} : { key };
}

/** Whether the bucket is in the host, so that the path is the key alone. */
export function isVirtualHostStyle({ bucket, key = "", path }: S3Target): boolean {
  return bucket !== undefined && key === path.slice(1);
}

/** Host names compare without case, port and final dot (RFC 9110 section 4.2.3, RFC 1034 section 3.1). */
function bucketOfHost(host: string | undefined, suffix: string | undefined): string | undefined {
  if (!host || !suffix) return undefined;
  const name = host.toLowerCase().replace(/:\d*$/, "").replace(/\.$/, "");
  const ending = `.${suffix.toLowerCase()}`;
  return name.length > ending.length && name.endsWith(ending) ? name.slice(0, -ending.length) : undefined;
}
