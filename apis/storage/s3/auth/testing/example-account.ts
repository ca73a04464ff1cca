// The account and the day of the worked examples in the S3 API reference, and requests for tests.

import type { AccessKey, Keyring } from "../../../../auth/identity.ts";
import type { S3Request } from "../../http.ts";
import { type Authenticated, authenticate } from "../authenticate.ts";
import { S3AuthError } from "../errors.ts";
import { type Credentials, type RequestToSign, signRequest } from "../sign.ts";

export const EXAMPLE: Credentials = {
  accessKeyId: "AKIAIOSFODNN7EXAMPLE",
  secretAccessKey: "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
};
/** 2013-05-24 00:00:00 UTC, in ms. */
export const EXAMPLE_NOW = Date.UTC(2013, 4, 24);
export const EXAMPLE_REGION = "us-east-1";
export const EMPTY_SHA256 = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

const exampleKey: AccessKey = { ...EXAMPLE, principal: { userId: "u-1", name: "example", admin: false } };

export const exampleKeyring: Keyring = {
  find: (accessKeyId) => (accessKeyId === exampleKey.accessKeyId ? exampleKey : undefined),
};

/** A request as a server hands it over; a body is cut into pieces of `pieceSize` bytes. */
export function requestOf(
  method: string,
  target: string,
  headers: Readonly<Record<string, string>>,
  body?: Uint8Array,
  pieceSize = 1000,
): S3Request {
  const given = Object.entries(headers).map(([name, value]): [string, string] => [name.toLowerCase(), value]);
  if (body) given.push(["content-length", headers["content-length"] ?? String(body.length)]);
  return {
    method,
    target,
    headers: new Map(given),
    body: body ? piecesOf(body, pieceSize) : null,
    remoteAddress: "127.0.0.1",
    requestId: "r-1",
  };
}

async function* piecesOf(body: Uint8Array, pieceSize: number): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < body.length; at += pieceSize) yield body.subarray(at, at + pieceSize);
}

/** Signs with the example's key at its time, then makes the request that a server would see. */
export function signedRequest(
  request: RequestToSign,
  body?: Uint8Array,
  pieceSize?: number,
  credentials: Credentials = EXAMPLE,
): S3Request {
  const headers = signRequest(request, credentials, EXAMPLE_REGION, EXAMPLE_NOW);
  const target = request.query ? `${request.rawPath}?${request.query}` : request.rawPath;
  return requestOf(request.method, target, headers, body, pieceSize);
}

export function check(request: S3Request, now = EXAMPLE_NOW): Authenticated {
  return authenticate(request, exampleKeyring, now, {
    region: EXAMPLE_REGION,
    virtualHostSuffix: "s3.amazonaws.com",
  });
}

/** The code that `request` is refused with; "accepted" where it is not. */
export function refusal(request: S3Request, now?: number): string {
  try {
    check(request, now);
    return "accepted";
  } catch (error) {
    if (error instanceof S3AuthError) return `${error.status} ${error.code}`;
    throw error;
  }
}
