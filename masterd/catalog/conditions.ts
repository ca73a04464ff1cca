import type { Condition } from "../protocol/messages.ts";
import { MasterError } from "../store/errors.ts";

function matches(etags: readonly string[], etag: string | undefined): boolean {
  return etag !== undefined && (etags.includes("*") || etags.includes(etag));
}

/**
 * Throws unless `condition` holds for the key's present object, given by its etag (undefined: there is none).
 * If-Match on an absent key is `NO_SUCH_KEY`, as S3 answers it; every other failure `PRECONDITION_FAILED`.
 */
export function checkCondition(condition: Condition | undefined, etag: string | undefined): void {
  if (!condition) return;
  if (condition.ifMatch && etag === undefined) {
    throw new MasterError("NO_SUCH_KEY", "there is no object to match");
  }
  if (condition.ifMatch && !matches(condition.ifMatch, etag)) {
    throw new MasterError("PRECONDITION_FAILED", "the object's etag is none of those given");
  }
  if (condition.ifNoneMatch && matches(condition.ifNoneMatch, etag)) {
    throw new MasterError("PRECONDITION_FAILED", "the key has an object already");
  }
}

export type SourceCondition = Condition & { modifiedSince?: number; unmodifiedSince?: number };

/** HTTP dates have whole seconds. */
const wholeSeconds = (ms: number): number => Math.floor(ms / 1000);

/**
 * Checks the x-amz-copy-source-if-* conditions: an etag condition that holds overrules the date condition of its
 * kind (RFC 9110, section 13.2.2). `NOT_MODIFIED` stands for a failed if-none-match or if-modified-since.
 */
export function checkSourceCondition(
  condition: SourceCondition | undefined,
  source: { etag: string; modifiedAt: number },
): void {
  if (!condition) return;
  const { ifMatch, ifNoneMatch, modifiedSince, unmodifiedSince } = condition;
  const modified = wholeSeconds(source.modifiedAt);
  if (ifMatch) {
    if (!matches(ifMatch, source.etag)) {
      throw new MasterError("PRECONDITION_FAILED", "the source's etag is none of those given");
    }
  } else if (unmodifiedSince !== undefined && modified > wholeSeconds(unmodifiedSince)) {
    throw new MasterError("PRECONDITION_FAILED", "the source was modified since");
  }
  if (ifNoneMatch) {
    if (matches(ifNoneMatch, source.etag))
      throw new MasterError("NOT_MODIFIED", "the source has such an etag");
  } else if (modifiedSince !== undefined && modified <= wholeSeconds(modifiedSince)) {
    throw new MasterError("NOT_MODIFIED", "the source was not modified since");
  }
}
