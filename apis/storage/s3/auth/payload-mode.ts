import { S3AuthError } from "./errors.ts";

/** How the body travels and what proves it: the meaning of `x-amz-content-sha256`. */
export type PayloadMode =
  /** The whole body has this SHA-256, which the request's signature covers. Lower case. */
  | { readonly kind: "signed"; readonly sha256Hex: string }
  /** Only Content-MD5 and x-amz-checksum-* headers, if any, speak of the body. */
  | { readonly kind: "unsigned" }
  /** aws-chunked: each chunk and the trailer carry a signature, or none does. */
  | { readonly kind: "chunked"; readonly signed: boolean; readonly trailer: boolean };

export const UNSIGNED_PAYLOAD = "UNSIGNED-PAYLOAD";

const NAMED: Readonly<Record<string, PayloadMode>> = {
  [UNSIGNED_PAYLOAD]: { kind: "unsigned" },
  "STREAMING-AWS4-HMAC-SHA256-PAYLOAD": { kind: "chunked", signed: true, trailer: false },
  "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER": { kind: "chunked", signed: true, trailer: true },
  "STREAMING-UNSIGNED-PAYLOAD-TRAILER": { kind: "chunked", signed: false, trailer: true },
};

const SHA256_HEX = /^[0-9a-fA-F]{64}$/;

/** Parses a value of `x-amz-content-sha256`. Throws {@link S3AuthError} `InvalidArgument` or `NotImplemented`. */
export function parsePayloadMode(value: string): PayloadMode {
  if (SHA256_HEX.test(value)) return { kind: "signed", sha256Hex: value.toLowerCase() };
  if (Object.hasOwn(NAMED, value)) return NAMED[value]!;
  if (value.startsWith("STREAMING-AWS4-ECDSA-")) {
    throw new S3AuthError("NotImplemented", "SigV4A is not supported. Please use AWS4-HMAC-SHA256.");
  }
  throw new S3AuthError(
    "InvalidArgument",
    "x-amz-content-sha256 must be UNSIGNED-PAYLOAD, STREAMING-UNSIGNED-PAYLOAD-TRAILER, " +
      "STREAMING-AWS4-HMAC-SHA256-PAYLOAD, STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER or a valid sha256 value.",
    { ArgumentName: "x-amz-content-sha256", ArgumentValue: value },
  );
}
