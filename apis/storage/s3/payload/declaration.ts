// What the headers say about the body, checked before a byte of it is read.

import type { Authenticated } from "../auth/authenticate.ts";
import type { S3Request } from "../http.ts";
import {
  algorithmOfHeader,
  CHECKSUM_ALGORITHMS,
  type ChecksumAlgorithm,
  checksumHeader,
  createChecksum,
  decodeBase64,
  decodeChecksum,
} from "./checksum.ts";
import { PayloadError } from "./errors.ts";

/** The largest body of one request, as S3's: 5 GiB. Larger objects are uploaded in parts. */
export const BODY_LENGTH_MAX = 5 * 1024 ** 3;

export interface Declaration {
  /** Bytes of the body as it travels; undefined under Transfer-Encoding: chunked. */
  readonly wireLength: number | undefined;
  /** Bytes of the body as it will be stored. */
  readonly length: number | undefined;
  /** 16 raw bytes. */
  readonly contentMd5: Buffer | undefined;
  /** Base64, from a header. */
  readonly checksum: { readonly algorithm: ChecksumAlgorithm; readonly value: string } | undefined;
  /** The checksum that the trailer will bring. */
  readonly trailer: ChecksumAlgorithm | undefined;
}

/** Throws {@link PayloadError}. */
export function readDeclaration(request: S3Request, authenticated: Authenticated): Declaration {
  const { headers } = authenticated;
  const wireLength = wholeNumber(headers, "content-length");
  const length =
    authenticated.payload.kind === "chunked"
      ? decodedLength(headers)
      : (wireLength ?? unframedLength(request, authenticated));
  if (length !== undefined && length > BODY_LENGTH_MAX) throw entityTooLarge(length);
  // A body described by these headers is the object's; CompleteMultipartUpload's are those of the object to be, while
  // its own body is XML.
  const describeBody = !(request.method === "POST" && authenticated.target.query.has("uploadId"));
  const checksum = describeBody ? declaredChecksum(authenticated) : undefined;
  const trailer = declaredTrailer(authenticated);
  if (checksum && trailer) throw severalChecksums();
  if (describeBody) checkSdkAlgorithm(authenticated, checksum?.algorithm ?? trailer);
  return { wireLength, length, contentMd5: declaredMd5(headers), checksum, trailer };
}

export function entityTooLarge(length: number): PayloadError {
  return new PayloadError("EntityTooLarge", "Your proposed upload exceeds the maximum allowed size", {
    ProposedSize: String(length),
    MaxSizeAllowed: String(BODY_LENGTH_MAX),
  });
}

function wholeNumber(headers: ReadonlyMap<string, string>, name: string): number | undefined {
  const text = headers.get(name);
  if (text === undefined) return undefined;
  if (/^\d{1,15}$/.test(text)) return Number(text);
  throw new PayloadError("InvalidArgument", `${name} must be a whole number of bytes.`, {
    ArgumentName: name,
    ArgumentValue: text,
  });
}

function decodedLength(headers: ReadonlyMap<string, string>): number {
  const length = wholeNumber(headers, "x-amz-decoded-content-length");
  if (length !== undefined) return length;
  throw new PayloadError(
    "MissingContentLength",
    "You must provide the x-amz-decoded-content-length HTTP header.",
  );
}

/** Without either framing header an HTTP/1.1 request has no body (RFC 9112 section 6.3); S3 wants objects to say so. */
function unframedLength(request: S3Request, authenticated: Authenticated): number | undefined {
  if (request.headers.has("transfer-encoding")) return undefined;
  if (request.method === "PUT" && authenticated.target.key !== undefined) {
    throw new PayloadError("MissingContentLength", "You must provide the Content-Length HTTP header.");
  }
  return request.body === null ? 0 : undefined;
}

function declaredMd5(headers: ReadonlyMap<string, string>): Buffer | undefined {
  const text = headers.get("content-md5");
  if (text === undefined) return undefined;
  const md5 = decodeBase64(text, 16);
  if (md5 === undefined) {
    throw new PayloadError("InvalidDigest", "The Content-MD5 you specified was invalid.", {
      "Content-MD5": text,
    });
  }
  return md5;
}

/** Headers that begin with `x-amz-checksum-` but carry no checksum. */
const NOT_A_CHECKSUM = new Set(["x-amz-checksum-algorithm", "x-amz-checksum-mode", "x-amz-checksum-type"]);

function declaredChecksum(authenticated: Authenticated): Declaration["checksum"] {
  let found: Declaration["checksum"];
  for (const [name, value] of authenticated.headers) {
    if (!name.startsWith("x-amz-checksum-") || NOT_A_CHECKSUM.has(name)) continue;
    const algorithm = algorithmOfHeader(name);
    if (algorithm === undefined) throw unsupportedAlgorithm(name);
    if (decodeChecksum(algorithm, value) === undefined) {
      throw new PayloadError("InvalidRequest", `Value for ${name} header is invalid.`);
    }
    if (authenticated.hoistedHeaders.has(name) && value === checksumOfNothing(algorithm)) continue;
    if (found) throw severalChecksums();
    found = { algorithm, value };
  }
  return found;
}

/**
 * The AWS SDK for JavaScript presigns an upload before it knows the body, and writes the checksum of an empty one into
 * the URL (aws-sdk-js-v3 issue 6994). Taken by the word, such a URL could upload nothing. It is passed over in the query
 * alone, where it was never a statement about this body.
 */
function checksumOfNothing(algorithm: ChecksumAlgorithm): string {
  return createChecksum(algorithm).digest().toString("base64");
}

function unsupportedAlgorithm(name: string): PayloadError {
  const types = CHECKSUM_ALGORITHMS.join(", ");
  return new PayloadError(
    "InvalidRequest",
    `The checksum of ${name} is unsupported. Please try again with any of the valid types: [${types}]`,
  );
}

function severalChecksums(): PayloadError {
  return new PayloadError(
    "InvalidRequest",
    "Expecting a single x-amz-checksum- header. Multiple checksum Types are not allowed.",
  );
}

function declaredTrailer({ headers, payload }: Authenticated): ChecksumAlgorithm | undefined {
  const text = headers.get("x-amz-trailer");
  if (text === undefined) return undefined;
  if (payload.kind !== "chunked" || !payload.trailer) {
    throw new PayloadError(
      "InvalidRequest",
      "x-amz-trailer needs an x-amz-content-sha256 that ends in -TRAILER.",
    );
  }
  const algorithm = algorithmOfHeader(text.trim().toLowerCase());
  if (algorithm !== undefined) return algorithm;
  const names = CHECKSUM_ALGORITHMS.map(checksumHeader).join(", ");
  throw new PayloadError(
    "InvalidRequest",
    `The value specified in the x-amz-trailer header is not supported; expecting one of ${names}.`,
  );
}

/** `x-amz-sdk-checksum-algorithm` announces a checksum; one that then is missing or another was lost on the way. */
function checkSdkAlgorithm(authenticated: Authenticated, declared: ChecksumAlgorithm | undefined): void {
  const name = "x-amz-sdk-checksum-algorithm";
  const announced = authenticated.headers.get(name);
  if (announced === undefined || authenticated.hoistedHeaders.has(name)) return;
  if (!CHECKSUM_ALGORITHMS.some((algorithm) => algorithm === announced.toUpperCase())) {
    throw unsupportedAlgorithm(name);
  }
  if (declared === undefined) {
    throw new PayloadError(
      "InvalidRequest",
      `${name} specified, but no corresponding x-amz-checksum-* or x-amz-trailer headers were found.`,
    );
  }
  if (declared !== announced.toUpperCase()) {
    throw new PayloadError("InvalidRequest", `Value for ${name} header is invalid.`);
  }
}
