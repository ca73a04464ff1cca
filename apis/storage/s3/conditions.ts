// Conditional requests (RFC 9110, 13). Reads are decided here, against the object that was fetched; writes are decided
// by the master in the same step as the write, from the `Condition` that is made here.
import type { Condition } from "../../../masterd/protocol/messages.ts";
import { S3Error } from "./errors.ts";
import { parseHttpDate, wholeSeconds } from "./http-date.ts";

export interface ReadConditions {
  ifMatch?: string;
  ifNoneMatch?: string;
  ifModifiedSince?: string;
  ifUnmodifiedSince?: string;
}

/** What the conditions look at; `etag` without quotes, `modifiedAt` in ms. */
export interface Validators {
  etag: string;
  modifiedAt: number;
}

interface EntityTag {
  weak: boolean;
  value: string;
}

/** The tags of an If-Match or If-None-Match list, or "*". S3 clients leave the quotes away at times. */
function entityTags(list: string): EntityTag[] | "*" {
  if (list.trim() === "*") return "*";
  return list.split(",").map((item) => {
    const text = item.trim();
    const weak = text.startsWith("W/");
    const quoted = weak ? text.slice(2) : text;
    return { weak, value: unquote(quoted) };
  });
}

export function unquote(etag: string): string {
  return etag.length >= 2 && etag.startsWith('"') && etag.endsWith('"') ? etag.slice(1, -1) : etag;
}

function strongMatch(list: string, etag: string): boolean {
  const tags = entityTags(list);
  return tags === "*" || tags.some(({ weak, value }) => !weak && value === etag);
}

function weakMatch(list: string, etag: string): boolean {
  const tags = entityTags(list);
  return tags === "*" || tags.some(({ value }) => value === etag);
}

/** The outcome of the conditions for an object that exists, in the order of RFC 9110, 13.2.2. */
export function evaluateRead(
  conditions: ReadConditions,
  object: Validators,
): "proceed" | "not-modified" | "failed" {
  const modified = wholeSeconds(object.modifiedAt);
  if (conditions.ifMatch !== undefined) {
    if (!strongMatch(conditions.ifMatch, object.etag)) return "failed";
  } else if (conditions.ifUnmodifiedSince !== undefined) {
    const since = parseHttpDate(conditions.ifUnmodifiedSince);
    if (since !== undefined && modified > since) return "failed";
  }
  if (conditions.ifNoneMatch !== undefined) {
    if (weakMatch(conditions.ifNoneMatch, object.etag)) return "not-modified";
  } else if (conditions.ifModifiedSince !== undefined) {
    const since = parseHttpDate(conditions.ifModifiedSince);
    if (since !== undefined && modified <= since) return "not-modified";
  }
  return "proceed";
}

/** Whether a Range applies: without If-Range, or when it names exactly this object (RFC 9110, 13.1.5). */
export function rangeApplies(ifRange: string | undefined, object: Validators): boolean {
  if (ifRange === undefined) return true;
  const since = parseHttpDate(ifRange);
  if (since !== undefined) return since === wholeSeconds(object.modifiedAt);
  return strongMatch(ifRange, object.etag) && ifRange.trim() !== "*";
}

/** The condition of a write, for the master. S3 takes `If-Match: etag` and `If-None-Match: *` on writes, nothing else. */
export function writeCondition(
  ifMatch: string | undefined,
  ifNoneMatch: string | undefined,
): Condition | undefined {
  if (ifMatch === undefined && ifNoneMatch === undefined) return undefined;
  const condition: Condition = {};
  if (ifMatch !== undefined) {
    const tags = entityTags(ifMatch);
    condition.ifMatch = tags === "*" ? ["*"] : tags.filter(({ weak }) => !weak).map(({ value }) => value);
  }
  if (ifNoneMatch !== undefined) {
    if (ifNoneMatch.trim() !== "*") {
      throw new S3Error("NotImplemented", "If-None-Match on a write takes only *.", {
        fields: { Header: "If-None-Match" },
      });
    }
    condition.ifNoneMatch = ["*"];
  }
  return condition;
}
