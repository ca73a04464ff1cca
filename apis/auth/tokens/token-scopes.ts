import { parseScopes, policyOfScopes, type Scope, ScopeError } from "../../policy/scopes.ts";
import { AuthError } from "../errors.ts";

/**
 * The JSON text of `scopes` as it is stored: with the ids of users, since a name may come to be somebody else's. Throws
 * `invalid_scopes`.
 */
export function storedScopes(scopes: unknown, userIdOf: (user: string) => string | undefined): string {
  try {
    const parsed = parseScopes(scopes);
    // Also looks whether every user is there, and the whole within the limits of a policy.
    policyOfScopes(parsed, userIdOf, "");
    const verbs = new Map<string, Set<string>>();
    for (const scope of parsed) {
      const text = textOf(scope, userIdOf(scope.user) ?? scope.user);
      verbs.set(text, new Set([...(verbs.get(text) ?? []), ...scope.verbs]));
    }
    return JSON.stringify(Object.fromEntries([...verbs].map(([text, set]) => [text, [...set]])));
  } catch (error) {
    if (error instanceof ScopeError) throw new AuthError("invalid_scopes", error.message, { cause: error });
    throw error;
  }
}

function textOf({ service, kind, id }: Scope, user: string): string {
  if (kind === undefined) return `${service}.${user}.*`;
  return `${service}.${user}.${kind}.${id ?? "*"}`;
}
