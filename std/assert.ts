/** A broken invariant: a bug in this program, never bad input. A daemon that sees one stops. */
export class InvariantError extends Error {
  override name = "InvariantError";
}

/** Throws {@link InvariantError} unless `condition` holds. Stays on in production; never used on input. */
export function assert(condition: boolean, why: string): asserts condition {
  if (!condition) throw new InvariantError(why);
}
