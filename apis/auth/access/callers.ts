// What routes ask of who calls.
import type { Action, KindIn, KindOf } from "../../policy/actions.ts";
import type { Principal } from "../identity.ts";
import type { LocalCopy } from "../local-copy.ts";
import type { Owner } from "../tokens/tokens.ts";
import type { Access, On } from "./access.ts";
import type { Places } from "./places.ts";

export class Callers {
  constructor(
    private readonly copy: LocalCopy,
    private readonly access: Access,
    private readonly places: Places,
  ) {}

  /** Id of the API token that speaks: what is made through it ends with it. */
  token({ limitedBy }: Principal): string | undefined {
    return limitedBy?.startsWith("token:") ? limitedBy.slice("token:".length) : undefined;
  }

  /** Whose a new key or token is: of whom the request names, else the caller's. */
  owner(caller: Principal, { user, serviceAccount }: { user?: string; serviceAccount?: string }): Owner {
    if (serviceAccount !== undefined) return { serviceAccount };
    if (user !== undefined) return { user };
    return this.isUser(caller) ? { user: caller.name } : { serviceAccount: caller.name };
  }

  /** A service account of the cloud is nobody's, and may be called like somebody. */
  isUser({ userId }: Principal): boolean {
    return this.copy.access.serviceAccount(userId) === undefined;
  }

  /** What a list shows that names nobody: everybody's where the caller may see that, else the caller's own. */
  widest<A extends Action, K extends KindIn<"auth"> & KindOf<A>>(
    action: A,
    kind: K,
    caller: Principal,
  ): On<KindOf<A>> {
    const everybodys = this.places.of(kind, undefined) as On<KindOf<A>>;
    if (this.access.decide(caller, action, everybodys).allowed) return everybodys;
    return this.places.of(kind, caller.userId) as On<KindOf<A>>;
  }
}
