import { AuthError } from "../errors.ts";

const NAME = /^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$/;

/** The stored form of the name of a group, role or service account; undefined for what none can be called. */
export function storedName(name: string): string | undefined {
  return NAME.test(name) ? name.toLowerCase() : undefined;
}

/** The stored form of a new name; throws `invalid_name`. */
export function newName(what: string, name: string): string {
  const stored = storedName(name);
  if (stored !== undefined) return stored;
  throw new AuthError(
    "invalid_name",
    `The name of a ${what} has 1 to 64 of the characters a-z 0-9 _ - and begins with a letter or digit`,
  );
}
