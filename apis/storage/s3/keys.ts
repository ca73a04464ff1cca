import { S3Error } from "./errors.ts";
import { KEY_SIZE_MAX } from "./limits.ts";

/** Throws {@link S3Error} unless `key` may name an object: 1 to 1024 bytes of UTF-8 without NUL. */
export function checkKey(key: string): void {
  if (key === "") throw new S3Error("InvalidArgument", "An object key must not be empty.");
  // No UTF-8 character of one UTF-16 unit takes more than 3 bytes.
  if (key.length * 3 > KEY_SIZE_MAX && Buffer.byteLength(key) > KEY_SIZE_MAX) {
    throw new S3Error("KeyTooLongError", undefined, {
      fields: { Size: String(Buffer.byteLength(key)), MaxSizeAllowed: String(KEY_SIZE_MAX) },
    });
  }
  if (key.includes("\0") || !key.isWellFormed()) {
    throw new S3Error("InvalidArgument", "An object key is UTF-8 text without NUL characters.");
  }
}
