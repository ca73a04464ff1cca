// GET and HEAD of an object: one decision for both, HEAD only leaves the bytes away.
import type { ObjectRecord } from "../../../../masterd/protocol/messages.ts";
import { whenFlowing } from "../../first-bytes.ts";
import type { OpenObject } from "../../objects.ts";
import { objectHeaders } from "../attributes.ts";
import type { Call } from "../call.ts";
import { evaluateRead, rangeApplies } from "../conditions.ts";
import { S3Error } from "../errors.ts";
import type { S3Response } from "../http.ts";
import { type ByteRange, contentRange, parseRange } from "../range.ts";
import { refuseOtherVersions } from "./versions.ts";

type Described = Omit<ObjectRecord, "extents">;

/** GET /bucket/key */
export async function getObject(call: Call): Promise<S3Response> {
  refuseOtherVersions(call);
  const opened = await call.store.open(call.bucket, call.key);
  return answer(call, opened.object, opened);
}

/** HEAD /bucket/key */
export async function headObject(call: Call): Promise<S3Response> {
  refuseOtherVersions(call);
  const { object } = await call.store.master.headObject({ bucket: call.bucket, key: call.key });
  return answer(call, object);
}

async function answer(call: Call, object: Described, source?: OpenObject): Promise<S3Response> {
  const outcome = evaluateRead(
    {
      ifMatch: call.header("if-match"),
      ifNoneMatch: call.header("if-none-match"),
      ifModifiedSince: call.header("if-modified-since"),
      ifUnmodifiedSince: call.header("if-unmodified-since"),
    },
    object,
  );
  if (outcome === "failed") throw new S3Error("PreconditionFailed");
  if (outcome === "not-modified") return notModified(object);
  const selected = selection(call, object);
  const { start, end } = selected?.range ?? { start: 0, end: object.size };
  const withChecksums =
    call.header("x-amz-checksum-mode")?.toUpperCase() === "ENABLED" && end - start === object.size;
  const headers = objectHeaders(object, withChecksums);
  overrideHeaders(call, headers);
  isolate(headers);
  headers["content-length"] = String(end - start);
  if (selected !== undefined) headers["content-range"] = contentRange(selected.range, object.size);
  if (selected?.parts !== undefined) headers["x-amz-mp-parts-count"] = String(selected.parts);
  const body = source === undefined || end === start ? null : await whenFlowing(source, start, end);
  return { status: selected === undefined ? 200 : 206, headers, body };
}

/** RFC 9110, 15.4.5: what a cache needs to refresh what it has. */
function notModified(object: Described): S3Response {
  const all = objectHeaders(object, false);
  const headers: Record<string, string> = {};
  for (const name of ["etag", "last-modified", "cache-control", "expires"]) {
    if (all[name] !== undefined) headers[name] = all[name];
  }
  return { status: 304, headers, body: null };
}

/** The bytes that Range or partNumber choose; undefined for all of them. */
function selection(call: Call, object: Described): { range: ByteRange; parts?: number } | undefined {
  const header = call.header("range");
  const partNumber = call.query.get("partNumber");
  if (partNumber !== undefined) {
    if (header !== undefined) {
      throw new S3Error("InvalidRequest", "Cannot specify both Range header and partNumber query parameter.");
    }
    return partRange(partNumber, object);
  }
  if (!rangeApplies(call.header("if-range"), object)) return undefined;
  const range = parseRange(header, object.size);
  if (range === "whole") return undefined;
  if (range === "unsatisfiable") {
    throw new S3Error("InvalidRange", undefined, {
      headers: { "content-range": `bytes */${object.size}` },
      fields: { RangeRequested: header ?? "", ActualObjectSize: String(object.size) },
    });
  }
  return { range };
}

/** An object that was not made of parts has one, all of it. */
function partRange(partNumber: string, object: Described): { range: ByteRange; parts?: number } | undefined {
  if (!/^[1-9]\d{0,4}$/.test(partNumber)) {
    throw new S3Error("InvalidArgument", "Part number must be an integer between 1 and 10000, inclusive", {
      fields: { ArgumentName: "partNumber", ArgumentValue: partNumber },
    });
  }
  const sizes = object.parts ?? [object.size];
  const index = Number(partNumber) - 1;
  if (index >= sizes.length) throw new S3Error("InvalidPartNumber");
  const start = sizes.slice(0, index).reduce((sum, size) => sum + size, 0);
  const end = start + sizes[index]!;
  if (start === end) return undefined; // a range of no bytes cannot be written down
  return { range: { start, end }, parts: object.parts?.length };
}

const OVERRIDES = [
  "content-type",
  "content-language",
  "expires",
  "cache-control",
  "content-disposition",
  "content-encoding",
] as const;

/** `response-content-type=...` and its like: how a signed link chooses its download's headers. */
function overrideHeaders(call: Call, headers: Record<string, string>): void {
  if (call.query.parameters.length === 0) return;
  for (const name of OVERRIDES) {
    const value = call.query.get(`response-${name}`);
    if (value === undefined) continue;
    if (call.caller.anonymous) {
      throw new S3Error(
        "InvalidRequest",
        "Request specific response headers cannot be used for anonymous GET requests.",
      );
    }
    // biome-ignore lint/suspicious/noControlCharactersInRegex: these would end the header (RFC 9110, 5.5)
    if (/[\x00-\x08\x0a-\x1f\x7f]/.test(value)) {
      throw new S3Error("InvalidArgument", "A response header cannot hold control characters.", {
        fields: { ArgumentName: `response-${name}` },
      });
    }
    // Header bytes are written as Latin-1: this is the text's UTF-8.
    headers[name] = Buffer.from(value).toString("latin1");
  }
}

/** What browsers run as a document, however it is spelled. */
const RUNNABLE = /html|xml|svg|multipart/i;

/**
 * A page that somebody stored runs in an origin of its own, without cookies, storage or workers of this host, and nothing else
 * is taken for a page (S22).
 */
function isolate(headers: Record<string, string>): void {
  headers["x-content-type-options"] = "nosniff";
  if (!RUNNABLE.test(headers["content-type"] ?? "")) return;
  headers["content-security-policy"] =
    "sandbox allow-scripts allow-forms allow-popups allow-modals allow-downloads";
}
