// Who may do what, in memory: roles, groups, service accounts and API tokens, joined to what a decision needs. The joins
// are worked out when they are first asked for, and forgotten all at once (`generation`) when any of their rows changes.

import type { Log } from "../../../std/log.ts";
import type { UserPrincipal } from "../../../std/policy/context.ts";
import type { Decision, PolicySet } from "../../../std/policy/evaluate.ts";
import { type Policy, parsePolicy } from "../../../std/policy/policy.ts";
import { BUILT_IN_ROLES, type BuiltInRole, policyOfRole } from "../../policy/roles.ts";
import { parseScopes, policyOfScopes } from "../../policy/scopes.ts";
import type { Principal } from "../identity.ts";
import { TOKEN_CHAIN_MAX } from "./limits.ts";
import { isPlain } from "./plain-policies.ts";
import type { AccessIds, AccessRows, ServiceAccountRow, TokenRow } from "./rows.ts";

/** What ARNs call the one account that there is. */
export const ACCOUNT = "000000000000";

/** What the users of the copy are to this one. */
export interface UserAccess {
  id: string;
  name: string;
  disabled: boolean;
  boundary: string | null;
  roles: readonly string[];
}

/** Who asks, as policies see it, and the policies that are theirs. */
export interface Grants {
  self: Principal;
  principal: UserPrincipal;
  identity: readonly Policy<"identity">[];
  boundary?: Policy<"identity">;
  /**
   * What was decided about S3, by action and owner; only there where none of the policies looks at more. It goes with the
   * generation. Bounded by whoever fills it.
   */
  plainDecisions?: Map<string, Decision>;
}

/** How a credential makes its identity less. */
export interface Limits {
  session: readonly Policy<"identity">[];
  /** What service accounts on the way may do: each by itself must allow. */
  accounts: readonly Pick<PolicySet, "identity" | "boundary">[];
  /** ms since the epoch; Infinity: never. */
  expiresAt: number;
}

/** A key or token: whose, and by what limited. */
export interface Credential {
  userId: string | null;
  serviceAccountId: string | null;
  parentId: string | null;
  scopes: string | null;
}

/** Whoever has this role counts as an administrator. */
export const ADMIN: BuiltInRole = "admin";

/** Takes part in a decision, and allows nothing: in place of a role that is not there or does not parse. */
const NOTHING = parsePolicy(
  { Version: "2012-10-17", Statement: [{ Effect: "Deny", Action: "*", Resource: "*" }] },
  "identity",
  "a role that cannot be read",
);

const UNLIMITED: Limits = Object.freeze({ session: [], accounts: [], expiresAt: Number.POSITIVE_INFINITY });

export class AccessCopy {
  /** Grows with every change that a decision may hang on. */
  generation = 0;
  private readonly roles = new Map<string, Policy<"identity">>();
  /** Those of {@link isPlain} documents. */
  private readonly plain = new WeakSet<Policy<"identity">>();
  private readonly groups = new Map<string, AccessRows["groups"][number]>();
  private readonly serviceAccounts = new Map<string, ServiceAccountRow>();
  private readonly tokens = new Map<string, TokenRow>();
  private readonly tokensByHash = new Map<string, string>();
  private readonly keys = new Map<string, Credential>();
  private users: ReadonlyMap<string, UserAccess> = new Map();
  // Worked out from the above.
  private grants = new Map<string, Grants>();
  private limits = new Map<string, Limits | null>();
  private userIds: Map<string, string> | undefined;
  private groupsOfUsers: Map<string, string[]> | undefined;

  constructor(private readonly log: Log) {
    for (const [role, document] of Object.entries(BUILT_IN_ROLES)) {
      if (isPlain(document)) this.plain.add(policyOfRole(role as BuiltInRole));
    }
  }

  /** The users changed: `users` holds them all, disabled ones too. */
  setUsers(users: ReadonlyMap<string, UserAccess>): void {
    this.users = users;
    this.changed();
  }

  /** How the key `id` is limited, beside what its owner may do; null: the key is gone. */
  setKey(id: string, credential: Credential | null): void {
    if (credential === null) this.keys.delete(id);
    else this.keys.set(id, credential);
    this.limits.delete(`key:${id}`);
  }

  /** Takes `rows`: all there are, or those of `ids`, where an id without a row is gone. */
  replace(rows: AccessRows, ids?: AccessIds): void {
    if (ids === undefined) {
      for (const map of [this.roles, this.groups, this.serviceAccounts, this.tokens, this.tokensByHash])
        map.clear();
    } else {
      for (const id of ids.groups) this.groups.delete(id);
      for (const name of ids.roles) this.roles.delete(name);
      for (const id of ids.serviceAccounts) this.serviceAccounts.delete(id);
      for (const id of ids.tokens) this.dropToken(id);
    }
    for (const row of rows.groups) this.groups.set(row.id, row);
    for (const { name, document } of rows.roles) this.roles.set(name, this.compile(name, document));
    for (const row of rows.serviceAccounts) this.serviceAccounts.set(row.id, row);
    for (const row of rows.tokens) {
      this.tokens.set(row.id, row);
      this.tokensByHash.set(row.hash, row.id);
    }
    this.changed();
  }

  private dropToken(id: string): void {
    const row = this.tokens.get(id);
    if (row) this.tokensByHash.delete(row.hash);
    this.tokens.delete(id);
  }

  /** One unreadable document must not take the others down: whoever has it may do nothing. */
  private compile(name: string, document: string): Policy<"identity"> {
    try {
      const policy = parsePolicy(document, "identity", `role/${name}`);
      if (isPlain(document)) this.plain.add(policy);
      return policy;
    } catch (error) {
      this.log.error("a role's document does not parse; whoever has the role may do nothing", {
        role: name,
        error: (error as Error).message,
      });
      return NOTHING;
    }
  }

  private changed(): void {
    this.generation++;
    this.grants = new Map();
    this.limits = new Map();
    this.userIds = undefined;
    this.groupsOfUsers = undefined;
  }

  /** Of any user, disabled or not, by name in lower case or by id. Ids come first. */
  userId(nameOrId: string): string | undefined {
    if (this.users.has(nameOrId)) return nameOrId;
    this.userIds ??= new Map([...this.users.values()].map(({ id, name }) => [name, id]));
    return this.userIds.get(nameOrId.toLowerCase());
  }

  userName(id: string): string | undefined {
    return this.users.get(id)?.name;
  }

  serviceAccount(id: string): ServiceAccountRow | undefined {
    return this.serviceAccounts.get(id);
  }

  serviceAccountNamed(name: string): ServiceAccountRow | undefined {
    const stored = name.toLowerCase();
    for (const account of this.serviceAccounts.values()) if (account.name === stored) return account;
    return undefined;
  }

  token(id: string): TokenRow | undefined {
    return this.tokens.get(id);
  }

  tokenOfHash(hash: string): TokenRow | undefined {
    return this.tokens.get(this.tokensByHash.get(hash) ?? "");
  }

  key(id: string): Credential | undefined {
    return this.keys.get(id);
  }

  /** Who stands behind a key or token; undefined where that user or service account may not be here. */
  principalOf(credential: Credential, reference: `key:${string}` | `token:${string}`): Principal | undefined {
    const account =
      credential.serviceAccountId === null
        ? undefined
        : this.serviceAccounts.get(credential.serviceAccountId);
    if (credential.serviceAccountId !== null && (account === undefined || account.disabled)) return undefined;
    const userId = account ? account.ownerId : credential.userId;
    if (userId === null) {
      return account && { userId: account.id, name: account.name, admin: false, limitedBy: reference };
    }
    const user = this.users.get(userId);
    if (user === undefined || user.disabled) return undefined;
    return { userId, name: user.name, admin: false, limitedBy: reference };
  }

  /** What a user, or a service account of the cloud, may do; undefined where there is none that may be here. */
  grantsOf(id: string): Grants | undefined {
    const known = this.grants.get(id);
    if (known) return known;
    const found = this.identity(id);
    if (found === undefined) return undefined;
    const { name, roles, boundary } = found;
    const policies = this.policies(roles, boundary);
    const all = [...policies.identity, ...(policies.boundary ? [policies.boundary] : [])];
    const grants: Grants = {
      self: Object.freeze({ userId: id, name, admin: roles.includes(ADMIN) }),
      principal: { kind: "user", account: ACCOUNT, id, name, roles },
      ...policies,
      ...(all.every((policy) => this.plain.has(policy)) && { plainDecisions: new Map() }),
    };
    this.grants.set(id, grants);
    return grants;
  }

  private identity(id: string): Pick<UserAccess, "name" | "roles" | "boundary"> | undefined {
    const user = this.users.get(id);
    if (user) return user.disabled ? undefined : { ...user, roles: [...new Set(this.rolesOfUser(user))] };
    const account = this.serviceAccounts.get(id);
    return account && !account.disabled && account.ownerId === null ? account : undefined;
  }

  private rolesOfUser({ id, roles }: UserAccess): string[] {
    if (this.groupsOfUsers === undefined) {
      this.groupsOfUsers = new Map();
      for (const group of this.groups.values()) {
        for (const member of group.members) {
          this.groupsOfUsers.set(member, [...(this.groupsOfUsers.get(member) ?? []), group.id]);
        }
      }
    }
    const groups = this.groupsOfUsers.get(id) ?? [];
    return [...roles, ...groups.flatMap((group) => this.groups.get(group)?.roles ?? [])];
  }

  private policies(roles: readonly string[], boundary: string | null): Pick<Grants, "identity" | "boundary"> {
    const identity = roles.map((role) => this.policyOf(role));
    return boundary === null ? { identity } : { identity, boundary: this.policyOf(boundary) };
  }

  private policyOf(role: string): Policy<"identity"> {
    if (Object.hasOwn(BUILT_IN_ROLES, role)) return policyOfRole(role as BuiltInRole);
    return this.roles.get(role) ?? NOTHING;
  }

  /** The limits of a credential; undefined where it, or what it came from, is gone or unreadable. */
  limitsOf(reference: string | undefined): Limits | undefined {
    if (reference === undefined) return UNLIMITED;
    const known = this.limits.get(reference);
    if (known !== undefined) return known ?? undefined;
    const [kind, id] = [
      reference.slice(0, reference.indexOf(":")),
      reference.slice(reference.indexOf(":") + 1),
    ];
    const token = kind === "token" ? this.tokens.get(id) : undefined;
    const credential = token ?? (kind === "key" ? this.keys.get(id) : undefined);
    const own = token?.expires.getTime() ?? Number.POSITIVE_INFINITY;
    const limits = credential && this.join(credential, reference, own, 0);
    this.limits.set(reference, limits ?? null);
    return limits;
  }

  private join(credential: Credential, name: string, expiresAt: number, depth: number): Limits | undefined {
    if (depth > TOKEN_CHAIN_MAX) return undefined;
    const above: (Limits | undefined)[] = [];
    if (credential.parentId !== null) above.push(this.limitsOfToken(credential.parentId, depth));
    if (credential.serviceAccountId !== null) {
      above.push(this.limitsOfAccount(credential.serviceAccountId, depth));
    }
    const scopes = credential.scopes === null ? [] : this.scopePolicies(credential.scopes, name);
    if (scopes === undefined || above.includes(undefined)) return undefined;
    const all = above as Limits[];
    return {
      session: [...scopes, ...all.flatMap(({ session }) => session)],
      accounts: all.flatMap(({ accounts }) => accounts),
      expiresAt: Math.min(expiresAt, ...all.map((each) => each.expiresAt)),
    };
  }

  private limitsOfToken(id: string, depth: number): Limits | undefined {
    const token = this.tokens.get(id);
    return token && this.join(token, `token:${id}`, token.expires.getTime(), depth + 1);
  }

  private limitsOfAccount(id: string, depth: number): Limits | undefined {
    const account = this.serviceAccounts.get(id);
    if (account === undefined || account.disabled) return undefined;
    const above = account.parentId === null ? UNLIMITED : this.limitsOfToken(account.parentId, depth);
    if (above === undefined) return undefined;
    // The cloud's own stands for itself: its roles are its identity, and no limit of somebody else's.
    const own = account.ownerId === null ? [] : [this.policies(account.roles, account.boundary)];
    return { ...above, accounts: [...own, ...above.accounts] };
  }

  private scopePolicies(scopes: string, name: string): Policy<"identity">[] | undefined {
    try {
      return [policyOfScopes(parseScopes(JSON.parse(scopes)), (user) => this.userId(user), name)];
    } catch (error) {
      this.log.warn("the scopes of a credential cannot be read; it is unusable", {
        credential: name,
        error: (error as Error).message,
      });
      return undefined;
    }
  }
}
