// The one place where it is decided who may do what. What it asks is in memory: a decision costs no call.
import type { Clock } from "../../../std/clock.ts";
import type { ContextValue } from "../../../std/policy/context.ts";
import { type Decision, evaluate } from "../../../std/policy/evaluate.ts";
import type { Action, KindOf } from "../../policy/actions.ts";
import { requestFor } from "../../policy/request.ts";
import type { ResourceName } from "../../policy/resource-names.ts";
import { AuthError } from "../errors.ts";
import type { Principal } from "../identity.ts";
import type { AccessCopy, Grants } from "./access-copy.ts";

/** What an action is on. */
export interface On<Kind extends string = string> {
  resource: ResourceName<Kind>;
  /** User id of whose it is: of a list, whose things; undefined: everybody's, or nobody's. */
  owner?: string;
  /** Further condition keys. */
  values?: Readonly<Record<string, ContextValue | undefined>>;
}

/** Whether the copy that decisions are taken by is as the database is, but for a named bound. */
export interface Freshness {
  isFresh(): boolean;
  /** Tries to make it so; resolves in bounded time, whether or not it did. */
  refresh(): Promise<void>;
}

/**
 * Whoever can open the admin socket owns the data directory, and with it the database: no policy limits that one, and
 * the object itself is the proof.
 */
export const OPERATOR: Principal = Object.freeze({ userId: "operator", name: "operator", admin: true });

const OPERATOR_MAY: Decision = Object.freeze({ allowed: true, reason: "allowed", layer: "identity" });
const NOBODY_THERE: Decision = Object.freeze({ allowed: false, reason: "implicit-deny", layer: "identity" });
const CREDENTIAL_OVER: Decision = Object.freeze({
  allowed: false,
  reason: "implicit-deny",
  layer: "session",
});
const RETRY_AFTER_S = 2;
/** Remembered of each user: as many owners whose buckets one looks at, times some actions. */
const PLAIN_DECISIONS_MAX = 1_000;

export class Access {
  constructor(
    private readonly copy: AccessCopy,
    private readonly freshness: Freshness,
    private readonly clock: Pick<Clock, "now">,
  ) {}

  /**
   * To be awaited, where it is a promise, before a caller is proved by the copy and {@link decide} is asked: what is known was not
   * confirmed lately, and is now asked for.
   */
  freshened(): Promise<void> | undefined {
    return this.freshness.isFresh() ? undefined : this.freshness.refresh();
  }

  /** Whether `principal` (null: nobody proved who they are) may do it. Throws `permissions_stale`. */
  decide<A extends Action>(principal: Principal | null, action: A, on: On<KindOf<A>>): Decision {
    if (principal === OPERATOR) return OPERATOR_MAY;
    if (!this.freshness.isFresh()) {
      throw new AuthError(
        "permissions_stale",
        "What is known of permissions was not confirmed lately, so nothing is decided by it: try again shortly",
        { retryAfterS: RETRY_AFTER_S },
      );
    }
    const grants = principal === null ? null : this.copy.grantsOf(principal.userId);
    if (grants === undefined) return NOBODY_THERE;
    const plain =
      principal?.limitedBy === undefined && action.startsWith("s3:") ? grants?.plainDecisions : undefined;
    const question = `${action} ${on.owner ?? ""}`;
    const known = plain?.get(question);
    if (known !== undefined) return known;
    const decision = this.evaluate(principal, grants, action, on);
    if (plain !== undefined) {
      if (plain.size >= PLAIN_DECISIONS_MAX) plain.clear();
      plain.set(question, decision);
    }
    return decision;
  }

  private evaluate<A extends Action>(
    principal: Principal | null,
    grants: Grants | null,
    action: A,
    on: On<KindOf<A>>,
  ): Decision {
    const limits = this.copy.limitsOf(principal?.limitedBy);
    const now = this.clock.now();
    if (limits === undefined || limits.expiresAt <= now) return CREDENTIAL_OVER;
    const request = requestFor({
      principal: grants?.principal ?? null,
      action,
      resource: on.resource,
      owner: on.owner,
      values: { ...on.values, "aws:CurrentTime": Math.floor(now / 1000) },
    });
    const decision = evaluate(request, {
      identity: grants?.identity ?? [],
      boundary: grants?.boundary,
      session: limits.session,
    });
    if (!decision.allowed) return decision;
    for (const account of limits.accounts) {
      const own = evaluate(request, account);
      if (!own.allowed) return { ...own, layer: "session" };
    }
    return decision;
  }

  /** Throws `forbidden` unless `principal` may do it; `permissions_stale`. */
  require<A extends Action>(principal: Principal, action: A, on: On<KindOf<A>>): void {
    if (!this.decide(principal, action, on).allowed) throw forbidden(action);
  }
}

/** Says what is missing, and not whether the thing it is about is there. */
export function forbidden(action: Action): AuthError {
  return new AuthError("forbidden", `You may not do that here: it takes ${action}`);
}
