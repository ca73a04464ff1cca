import { InvariantError } from "../../std/assert.ts";
import type { Answer } from "../check/history.ts";

/**
 * Codes by which the answerer says that it did nothing. Everything else (no answer, a failed disk, a bug) leaves open
 * whether it was done.
 */
const REFUSALS = new Set([
  "NO_SUCH_BUCKET",
  "NO_SUCH_UPLOAD",
  "INVALID_KEY",
  "INVALID_PART",
  "INVALID_PART_ORDER",
  "PART_TOO_SMALL",
  "STALE_EXTENT",
  "NOT_ENOUGH_SERVERS",
  "NO_SPACE",
  "BAD_REQUEST",
  "OVERLOADED",
  // Of the chunk client: the data is not stored, so nothing was committed.
  "UNAVAILABLE",
  "CORRUPT",
  "CLIENT_GONE",
]);

/** The upload's or download's own client went away in the middle. */
export class ClientGone extends Error {
  readonly code = "CLIENT_GONE";
}

export function codeOf(error: unknown): string {
  const code = (error as { code?: unknown } | null)?.code;
  return typeof code === "string" ? code : String(error);
}

/** What a failure says of an operation. Rethrows what shows a bug in the program itself. */
export function failed(error: unknown): Answer {
  if (error instanceof InvariantError || error instanceof TypeError || error instanceof RangeError)
    throw error;
  const code = codeOf(error);
  if (code === "NO_SUCH_KEY") return { is: "absent" };
  if (code === "PRECONDITION_FAILED") return { is: "condition failed" };
  return REFUSALS.has(code) ? { is: "refused", code } : { is: "unknown", code };
}
