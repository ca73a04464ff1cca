// Objects as downloads on the console's own origin: whatever a user stored, a browser must not run it there (S22).
import type { Context } from "hono";
import { whenFlowing } from "../first-bytes.ts";
import type { OpenObject } from "../objects.ts";
import { S3Error } from "../s3/errors.ts";
import { pulledStream } from "../s3/fetch.ts";
import { httpDate } from "../s3/http-date.ts";
import { quote } from "../s3/http-response.ts";
import { contentRange, parseRange } from "../s3/range.ts";

/** The object's bytes, or the range of them that the request asks for. */
export async function download(context: Context, opened: OpenObject): Promise<Response> {
  const { object } = opened;
  const range = parseRange(context.req.header("range"), object.size);
  if (range === "unsatisfiable") {
    throw new S3Error("InvalidRange", undefined, { headers: { "content-range": `bytes */${object.size}` } });
  }
  const { start, end } = range === "whole" ? { start: 0, end: object.size } : range;
  const headers: Record<string, string> = {
    "content-type": object.attributes.headers["content-type"] ?? "application/octet-stream",
    "content-length": String(end - start),
    "content-disposition": attachment(object.key),
    "content-security-policy": "sandbox; default-src 'none'",
    "x-content-type-options": "nosniff",
    "cache-control": "private, no-cache",
    "accept-ranges": "bytes",
    etag: quote(object.etag),
    "last-modified": httpDate(object.modifiedAt),
  };
  const encoding = object.attributes.headers["content-encoding"];
  if (encoding !== undefined) headers["content-encoding"] = encoding;
  if (range !== "whole") headers["content-range"] = contentRange(range, object.size);
  const empty = context.req.method === "HEAD" || start === end;
  const body = empty ? null : await whenFlowing(opened, start, end);
  const status = range === "whole" ? 200 : 206;
  return new Response(
    body instanceof Uint8Array ? (body as Uint8Array<ArrayBuffer>) : body && pulledStream(body),
    {
      status,
      headers,
    },
  );
}

/** The key's last segment as a file name, in ASCII and in full (RFC 6266, RFC 8187). */
export function attachment(key: string): string {
  const name = key.split("/").findLast((segment) => segment !== "") ?? "download";
  const ascii = name.replace(/[^\x20-\x7e]|["\\%]/g, "_");
  const full = encodeURIComponent(name).replace(
    /['()*]/g,
    (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`,
  );
  return `attachment; filename="${ascii}"; filename*=UTF-8''${full}`;
}
