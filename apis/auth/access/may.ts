import type { Context, MiddlewareHandler } from "hono";
import { createMiddleware } from "hono/factory";
import type { Action, KindOf } from "../../policy/actions.ts";
import { type AuthEnvironment, connectionValues } from "../authentication.ts";
import { notFound } from "../errors.ts";
import type { Principal } from "../identity.ts";
import type { AuthService } from "../service.ts";
import { forbidden, type On } from "./access.ts";
import type { Places } from "./places.ts";

/** The middleware of a route, which tells what that route asks for. */
export type Declared = MiddlewareHandler<AuthEnvironment> & { readonly action: Action };

export type PlaceOf<A extends Action> = (
  context: Context<AuthEnvironment>,
  places: Places,
  principal: Principal,
) => On<KindOf<A>> | Promise<On<KindOf<A>>>;

export interface MayOptions {
  /** What one may not touch is `not_found`, as one of these. */
  hidden?: Parameters<typeof notFound>[0];
  /**
   * Whether the request does no more than give up what it proves to hold. That takes no permission: no boundary and no
   * Deny may keep somebody signed in.
   */
  givesUp?(context: Context<AuthEnvironment>): boolean;
}

/**
 * Declares what a route does and on what, and lets a request through if its sender may. Stands behind `authenticate`, and
 * before whatever looks at what the request names, so that a refusal gives no hints. Only behind this is there
 * a principal for an API token.
 */
export function may<A extends Action>(
  auth: AuthService,
  action: A,
  on: PlaceOf<A>,
  { hidden, givesUp }: MayOptions = {},
): Declared {
  const middleware = createMiddleware<AuthEnvironment>(async (context, next) => {
    const caller = context.get("caller");
    const isGivenUp = givesUp?.(context) ?? false;
    const place = await on(context, auth.places, caller);
    context.set("resource", place.resource);
    if (isGivenUp) return next();
    const values = { ...place.values, ...connectionValues(context) };
    if (!auth.access.decide(caller, action, { ...place, values }).allowed) {
      throw hidden === undefined ? forbidden(action) : notFound(hidden, context.req.param("id") ?? "");
    }
    context.set("principal", caller);
    await next();
  });
  return Object.assign(middleware, { action });
}
