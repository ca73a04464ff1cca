// Continuation tokens: where a listing goes on, in a form that clients pass back as it is and do not make up.
import { S3Error } from "./errors.ts";

export function listingToken(after: string): string {
  return Buffer.from(after).toString("base64url");
}

/** Throws {@link S3Error} `InvalidArgument` for what {@link listingToken} did not make. */
export function readListingToken(token: string): string {
  const bytes = Buffer.from(token, "base64url");
  const after = bytes.toString();
  if (after === "" || listingToken(after) !== token) {
    throw new S3Error("InvalidArgument", "The continuation token provided is incorrect", {
      fields: { ArgumentName: "continuation-token" },
    });
  }
  return after;
}

/** How a listing writes its keys: as they are, or percent-encoded but for slashes (`encoding-type=url`). */
export function keyEncoding(encodingType: string | undefined): (text: string) => string {
  if (encodingType === undefined) return (text) => text;
  if (encodingType.toLowerCase() !== "url") {
    throw new S3Error("InvalidArgument", "Invalid Encoding Method specified in Request", {
      fields: { ArgumentName: "encoding-type", ArgumentValue: encodingType },
    });
  }
  return percentEncode;
}

function percentEncode(text: string): string {
  return encodeURIComponent(text)
    .replaceAll("%2F", "/")
    .replace(/[!'()]/g, (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`);
}
