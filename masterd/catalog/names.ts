// Which names buckets and objects may have.
import { MasterError } from "../store/errors.ts";

export const KEY_SIZE_MAX = 1024;

/**
 * Labels with a dot between two, as in a host name, since it becomes part of one.
 * https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html
 */
const BUCKET_NAME = /^(?=.{3,63}$)[a-z0-9](?:[a-z0-9-]*[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]*[a-z0-9])?)*$/;
const IPV4_FORM = /^\d+\.\d+\.\d+\.\d+$/;
const RESERVED_PREFIXES = ["xn--", "sthree-", "amzn-s3-demo-"];
const RESERVED_SUFFIXES = ["-s3alias", "--ol-s3", ".mrap", "--x-s3", "--table-s3"];

/** Throws `INVALID_BUCKET_NAME` unless `name` follows S3's rules. */
export function checkBucketName(name: string): void {
  const fine =
    BUCKET_NAME.test(name) &&
    !IPV4_FORM.test(name) &&
    !RESERVED_PREFIXES.some((prefix) => name.startsWith(prefix)) &&
    !RESERVED_SUFFIXES.some((suffix) => name.endsWith(suffix));
  if (!fine) {
    throw new MasterError(
      "INVALID_BUCKET_NAME",
      "a bucket name has 3 to 63 lower-case letters, digits, dots and hyphens, and begins and ends with a letter " +
        "or digit, and so does each part between dots; the form of an IP address and AWS's reserved prefixes and " +
        "suffixes are refused",
    );
  }
}

/** The key's bytes as the catalog orders them. Throws `INVALID_KEY`. */
export function keyBytes(key: string): Buffer {
  const bytes = Buffer.from(key, "utf8");
  if (bytes.length === 0 || bytes.length > KEY_SIZE_MAX || !key.isWellFormed() || bytes.includes(0)) {
    throw new MasterError("INVALID_KEY", `a key is 1 to ${KEY_SIZE_MAX} bytes of UTF-8 without NUL`);
  }
  return bytes;
}

export function keyText(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("utf8");
}
