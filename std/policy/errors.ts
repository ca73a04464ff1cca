export type PolicyErrorCode =
  | "too_large" // more bytes, values or levels than a limit allows; the message names it
  | "malformed_json"
  | "duplicate_key" // the same name twice in one object: readers would differ in which one counts
  | "unknown_field"
  | "missing_field"
  | "wrong_type"
  | "invalid_value"
  | "conflict" // two elements that exclude each other
  | "duplicate_sid"
  | "unknown_operator";

/** Why a document is no policy. `place` says where, e.g. `Statement[2].Condition.IpAddress`; the message begins with it. */
export class PolicyError extends Error {
  override name = "PolicyError";

  constructor(
    readonly code: PolicyErrorCode,
    readonly place: string,
    what: string,
  ) {
    super(`${place}: ${what}`);
  }
}

const PLAIN_NAME = /^[A-Za-z_][A-Za-z0-9_]*$/;
/** Names in messages are the writer's own text: long ones are cut. */
const NAME_SHOWN_MAX = 64;

/** The place of a member of `place`: `Statement[0].Action`, `Condition.Bool["aws:SecureTransport"]`. */
export function memberOf(place: string, name: string | number): string {
  if (typeof name === "number") return `${place}[${name}]`;
  const shown = name.length > NAME_SHOWN_MAX ? `${name.slice(0, NAME_SHOWN_MAX)}...` : name;
  if (!PLAIN_NAME.test(shown)) return `${place}[${JSON.stringify(shown)}]`;
  return place === ROOT ? shown : `${place}.${shown}`;
}

/** The place of the document itself. */
export const ROOT = "policy";
