import { isUnreachable } from "../../std/db/database.ts";
import { AuthError } from "./errors.ts";

/** `error` as the API tells it: an unreachable database is `unavailable`, anything else stays what it is. */
export function asUnavailable(error: unknown): unknown {
  if (!isUnreachable(error)) return error;
  return new AuthError("unavailable", "The auth database cannot be reached: try again shortly", {
    cause: error,
    retryAfterS: 2,
  });
}

/** Tells an unreachable database apart from a fault of ours. */
export async function answered<T>(work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (error) {
    throw asUnavailable(error);
  }
}
