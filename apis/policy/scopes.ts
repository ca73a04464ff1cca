// What a token may do, as its maker writes it: {"storage.alice.bucket.photos": ["read", "create"], "auth.alice.*": ["read"]}.
// A scope is service.user[.kind[.id]]. What is left out at the end, or is a last `*`, is everything below; the user may be
// `*` as well, but is never left out. Scopes become one policy, a limit: a token has what both its maker and its scopes
// allow. Every scope says whose resources it is about, and that is compared with who owns the resource, not with who asks.
import { type Policy, parsePolicy } from "../../std/policy/policy.ts";
import { SERVICES } from "./actions.ts";
import { type ActionFacts, type ServiceTable, VERBS, type Verb } from "./services/table.ts";

/** A policy of so many statements keeps its limits. */
export const SCOPES_MAX = 32;

export interface Scope {
  /** As a scope names it: storage, auth, events. */
  service: string;
  /** A user's name or id; `*`: anybody. */
  user: string;
  /** undefined: every kind. */
  kind: string | undefined;
  /** undefined: all of them. */
  id: string | undefined;
  verbs: readonly Verb[];
}

/** Why scopes are none. `scope` is the one at fault; the message begins with it. */
export class ScopeError extends Error {
  override name = "ScopeError";

  constructor(
    readonly scope: string,
    what: string,
  ) {
    super(scope === "" ? what : `${JSON.stringify(scope)}: ${what}`);
  }
}

const USER = /^(?:\*|[A-Za-z0-9][A-Za-z0-9_-]{0,127})$/;
const ID = /^[A-Za-z0-9][A-Za-z0-9._@+-]{0,127}$/;
const FORM =
  'write service.user.kind.id, as "storage.alice.bucket.photos", or service.user.* for all that is alice\'s';

/** Reads the scopes of a token: an object from scope to verbs. Throws {@link ScopeError}. */
export function parseScopes(input: unknown): Scope[] {
  if (typeof input !== "object" || input === null || Array.isArray(input)) {
    throw new ScopeError("", 'scopes are an object, as {"storage.alice.bucket.photos": ["read"]}');
  }
  const entries = Object.entries(input);
  if (entries.length === 0) throw new ScopeError("", "a token needs at least one scope");
  if (entries.length > SCOPES_MAX) throw new ScopeError("", `a token has at most ${SCOPES_MAX} scopes`);
  return entries.map(([text, verbs]) => parseScope(text, verbs));
}

function parseScope(text: string, verbs: unknown): Scope {
  const [service = "", user, kind, ...rest] = text.split(".");
  if (tablesOf(service).length === 0) {
    throw new ScopeError(text, `begins with no service; use ${serviceNames().join(", ")}`);
  }
  if (user === undefined) throw new ScopeError(text, `says not whose; ${FORM}`);
  if (!USER.test(user))
    throw new ScopeError(text, `has no user in it (one with a dot goes by the id); ${FORM}`);
  const id = rest.length === 0 ? undefined : rest.join(".");
  if (kind === "*" && id !== undefined) throw new ScopeError(text, `has a * before its end; ${FORM}`);
  const kinds = kindsOf(service);
  if (kind !== undefined && kind !== "*" && !kinds.includes(kind)) {
    throw new ScopeError(text, `has no such kind of resource; use ${kinds.join(", ")}`);
  }
  if (id !== undefined && id !== "*" && !ID.test(id))
    throw new ScopeError(text, `has no id at its end; ${FORM}`);
  const scope = {
    service,
    user,
    kind: kind === "*" ? undefined : kind,
    id: id === "*" ? undefined : id,
    verbs: parseVerbs(text, verbs),
  };
  for (const verb of scope.verbs) {
    if (!coveredActions(scope).some((facts) => facts.verb === verb)) {
      throw new ScopeError(text, `has nothing that one could ${verb}`);
    }
  }
  return scope;
}

function parseVerbs(text: string, verbs: unknown): Verb[] {
  const known: readonly unknown[] = VERBS;
  const sound = Array.isArray(verbs) && verbs.length > 0 && verbs.every((verb) => known.includes(verb));
  if (!sound || new Set(verbs).size < verbs.length) {
    throw new ScopeError(text, `needs a list of verbs, each once, of ${VERBS.join(", ")}`);
  }
  return verbs as Verb[];
}

/**
 * The policy of a token with these scopes, for the session layer. `userIdOf` tells the id of a user by name or id, or
 * undefined; ids come first, as a name may look like one. Throws {@link ScopeError} for a user that is not there.
 */
export function policyOfScopes(
  scopes: readonly Scope[],
  userIdOf: (user: string) => string | undefined,
  name: string,
): Policy<"identity"> {
  const statements = scopes.flatMap((scope) => {
    const owner = scope.user === "*" ? undefined : userIdOf(scope.user);
    if (scope.user !== "*" && owner === undefined) {
      throw new ScopeError(`${scope.service}.${scope.user}`, "is about a user that is not there");
    }
    return tablesOf(scope.service).flatMap(([service, table]) => statementsOf(scope, owner, service, table));
  });
  return parsePolicy({ Version: "2012-10-17", Statement: statements }, "identity", name);
}

function statementsOf(
  scope: Scope,
  owner: string | undefined,
  service: string,
  table: ServiceTable,
): object[] {
  const kinds = coveredKinds(scope, table);
  if (kinds.length === 0) return [];
  return [
    {
      Effect: "Allow",
      Action: `${service}:*`,
      Resource: service === "s3" ? s3Resources(scope) : ownResources(scope, owner, service, kinds),
      Condition: {
        StringEquals: {
          "skerry:ActionVerb": scope.verbs,
          "skerry:ResourceKind": kinds,
          ...(owner !== undefined && { "skerry:ResourceOwner": owner }),
        },
      },
    },
  ];
}

/** A bucket's objects are told apart from it by their kind. */
function s3Resources({ id }: Scope): string[] {
  return id === undefined ? ["arn:aws:s3:::*"] : [`arn:aws:s3:::${id}`, `arn:aws:s3:::${id}/*`];
}

function ownResources(scope: Scope, owner = "*", service: string, kinds: readonly string[]): string[] {
  const prefix = `arn:skerry:${service}::${owner}:`;
  if (scope.kind === undefined) return [`${prefix}*`];
  return kinds.map((kind) => `${prefix}${kind}/${scope.id ?? "*"}`);
}

function tablesOf(service: string): [name: string, table: ServiceTable][] {
  return Object.entries<ServiceTable>(SERVICES).filter(([, { scope }]) => scope === service);
}

function serviceNames(): string[] {
  return [...new Set(Object.values<ServiceTable>(SERVICES).map(({ scope }) => scope))];
}

function kindsOf(service: string): string[] {
  return tablesOf(service).flatMap(([, { kinds }]) => Object.keys(kinds));
}

/** The kinds of `table` that the scope is about: its own, and what that contains. */
function coveredKinds({ kind }: Scope, { kinds }: ServiceTable): string[] {
  return Object.entries(kinds)
    .filter(([name, { within }]) => kind === undefined || name === kind || within === kind)
    .map(([name]) => name);
}

function coveredActions(scope: Scope): ActionFacts[] {
  return tablesOf(scope.service).flatMap(([, table]) => {
    const kinds = coveredKinds(scope, table);
    return Object.values(table.actions).filter(({ kind }) => kinds.includes(kind));
  });
}
