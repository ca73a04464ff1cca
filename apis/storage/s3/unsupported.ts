// Headers that ask for something this server does not do. A request that has one is refused: answering 200 to "encrypt
// this" or "keep this for a year" without doing it would be a lie.
import { S3Error } from "./errors.ts";

const PREFIXES = [
  "x-amz-server-side-encryption",
  "x-amz-copy-source-server-side-encryption",
  "x-amz-object-lock-",
  "x-amz-bucket-object-lock-",
  "x-amz-grant-",
  "x-amz-if-match-",
] as const;

const NAMES: ReadonlySet<string> = new Set([
  "x-amz-tagging",
  "x-amz-website-redirect-location",
  "x-amz-write-offset-bytes",
  "x-amz-object-ownership",
  "x-amz-rename-source",
]);

/** Canned ACLs that say what is so anyway: the bucket's owner has full control, nobody else any. s3fs sends empty ones. */
const ACLS: ReadonlySet<string> = new Set(["private", "bucket-owner-full-control", ""]);

/** Values under which a header asks for nothing. */
const HARMLESS: Record<string, string> = {
  "x-amz-bucket-object-lock-enabled": "false",
  "x-amz-object-ownership": "BucketOwnerEnforced",
};

/** In nearly every request. */
const OF_SIGNATURES: ReadonlySet<string> = new Set(["x-amz-date", "x-amz-content-sha256"]);

/** Throws {@link S3Error} for the first of `headers` that asks for what is not there. */
export function refuseUnsupported(headers: ReadonlyMap<string, string>): void {
  for (const [name, value] of headers) {
    if (!name.startsWith("x-amz-") || OF_SIGNATURES.has(name)) continue;
    if (name === "x-amz-acl") {
      if (!ACLS.has(value)) throw new S3Error("AccessControlListNotSupported");
    } else if (name === "x-amz-storage-class") {
      if (value !== "STANDARD") throw new S3Error("InvalidStorageClass");
    } else if (NAMES.has(name) || PREFIXES.some((prefix) => name.startsWith(prefix))) {
      if (HARMLESS[name]?.toLowerCase() === value.toLowerCase()) continue;
      throw new S3Error("NotImplemented", undefined, { fields: { Header: name } });
    }
  }
}
