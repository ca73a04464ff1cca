// Who calls the JSON API: a bearer token, or the dashboard's cookie together with proof that the dashboard sent it.

import { getCookie } from "hono/cookie";
import { createMiddleware } from "hono/factory";
import { bearerToken, isFromPage } from "../../auth/authentication.ts";
import type { Principal, Sessions } from "../../auth/identity.ts";
import { SESSION_COOKIE } from "../../auth/sessions/session-cookies.ts";
import type { Origin } from "../../gateway-trust.ts";
import type { Permissions } from "../authorize.ts";
import { RestError } from "./errors.ts";

export interface RestEnv {
  /** Given with each request: `app.fetch(request, origin)`. */
  Bindings: Partial<Origin>;
  Variables: {
    principal: Principal;
    /** Name of what the request is about, once that is known. */
    resource?: string;
  };
}

const READS: ReadonlySet<string> = new Set(["GET", "HEAD"]);

/** Lets a request through once its sender is known, as `principal`, by what was confirmed lately. */
export function requireSession(sessions: Sessions, access: Pick<Permissions, "freshened">) {
  return createMiddleware<RestEnv>(async (context, next) => {
    await access.freshened();
    const authorization = context.req.header("authorization");
    const cookie = authorization === undefined ? getCookie(context, SESSION_COOKIE) : undefined;
    const token = cookie ?? bearerToken(authorization);
    const principal = token === undefined ? undefined : await sessions.verify(token);
    if (principal === undefined) {
      throw new RestError(401, "Unauthorized", "Sign in, or send a valid token as Authorization: Bearer.");
    }
    if (cookie !== undefined && !READS.has(context.req.method) && !isFromPage(context)) {
      throw new RestError(
        403,
        "CsrfHeaderMissing",
        "A change made with a session cookie needs X-Skerry-CSRF: 1.",
      );
    }
    context.set("principal", principal);
    await next();
  });
}
