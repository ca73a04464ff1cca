// What the routes of this API are on, as policies name it. Of what is not there, nobody is the owner: whoever may do
// something with everybody's learns that it is missing, others that they may not.

import type { KindIn } from "../../policy/actions.ts";
import { collectionName, ResourceNameError, resourceName } from "../../policy/resource-names.ts";
import type { Principal } from "../identity.ts";
import type { LocalCopy } from "../local-copy.ts";
import type { On } from "./access.ts";
import type { Credential } from "./access-copy.ts";

type Kind = KindIn<"auth">;

export class Places {
  constructor(private readonly copy: LocalCopy) {}

  /** One thing of a user, or with no `id` all of them; without an owner, everybody's. */
  of<K extends Kind>(kind: K, owner: string | undefined, id?: string): On<K> {
    const own = owner === undefined ? {} : { owner };
    if (id === undefined) return { resource: collectionName("auth", owner ?? "", kind), ...own };
    try {
      return { resource: resourceName("auth", owner ?? "", kind, id), ...own };
    } catch (error) {
      // A name that nothing can have.
      if (error instanceof ResourceNameError)
        return { resource: collectionName("auth", owner ?? "", kind), ...own };
      throw error;
    }
  }

  userId(name: string): string | undefined {
    const id = this.copy.access.userId(name);
    // A path names users by name alone, whoever is called like somebody's id.
    return id !== undefined && this.copy.access.userName(id) === name.toLowerCase() ? id : undefined;
  }

  user(name: string): On<"user"> {
    const id = this.userId(name);
    return id === undefined ? this.of("user", undefined) : this.of("user", id, id);
  }

  self(principal: Principal): On<"user"> {
    return this.of("user", principal.userId, principal.userId);
  }

  /** The things of a user by name, of oneself where no name is given. */
  things<K extends Kind>(kind: K, principal: Principal, name: string | undefined): On<K> {
    return this.of(kind, name === undefined ? principal.userId : this.userId(name));
  }

  accessKey(id: string): On<"access-key"> {
    return this.of("access-key", this.ownerOf(this.copy.access.key(id)), id);
  }

  token(id: string): On<"token"> {
    return this.of("token", this.ownerOf(this.copy.access.token(id)), id);
  }

  session(id: string): On<"session"> {
    return this.of("session", this.copy.session(id)?.userId, id);
  }

  serviceAccount(name: string): On<"service-account"> {
    const account = this.copy.access.serviceAccountNamed(name);
    // One of the cloud is nobody's: it must not change itself.
    return this.of("service-account", account?.ownerId ?? undefined, account?.id);
  }

  /** Whose a key or token is: of a service account, its user; of one of the cloud, itself. */
  private ownerOf(credential: Credential | undefined): string | undefined {
    if (credential === undefined) return undefined;
    if (credential.serviceAccountId === null) return credential.userId ?? undefined;
    const account = this.copy.access.serviceAccount(credential.serviceAccountId);
    return account && (account.ownerId ?? account.id);
  }

  /** The things of an owner of keys and tokens, whether or not there are any yet. */
  credentials<K extends "access-key" | "token">(
    kind: K,
    principal: Principal,
    { user, serviceAccount }: { user?: string; serviceAccount?: string },
  ): On<K> {
    if (serviceAccount === undefined) return this.things(kind, principal, user);
    const account = this.copy.access.serviceAccountNamed(serviceAccount);
    return this.of(kind, account && (account.ownerId ?? account.id));
  }
}
