import type { Context } from "hono";
import { getCookie } from "hono/cookie";
import { createMiddleware } from "hono/factory";
import type { Origin } from "../gateway-trust.ts";
import { AuthError } from "./errors.ts";
import type { Principal } from "./identity.ts";
import type { AuthService } from "./service.ts";
import { type Client, cleanUserAgent } from "./sessions/client.ts";
import { SESSION_COOKIE } from "./sessions/session-cookies.ts";
import type { LiveSession } from "./sessions/sessions.ts";
import { isApiToken } from "./tokens/tokens.ts";

export const CSRF_HEADER = "X-Skerry-CSRF";

export interface AuthEnvironment {
  /** Given with each request: `app.fetch(request, origin)`. */
  Bindings: Partial<Origin>;
  Variables: {
    /** Who asks. */
    caller: Principal;
    /** The same, once it is known that it may do what it asks for; of a session also before. */
    principal: Principal;
    /** Absent where the principal needed none. */
    session?: LiveSession;
    /** Name of what the request is about, once that is known. */
    resource?: string;
    /** Name of what the request has made. */
    made?: string;
  };
}

const UNCHANGING_METHODS = new Set(["GET", "HEAD", "OPTIONS"]);

/** The client's address, as the gateway gives it. */
export function sourceOf(context: Context<AuthEnvironment>): string {
  return context.env?.source ?? "unknown";
}

/** What policies may look at of the connection. The admin socket has no address. */
export function connectionValues(context: Context) {
  const source = sourceOf(context);
  return {
    "aws:SourceIp": /^[0-9A-Fa-f.:]+$/.test(source) ? source : undefined,
    "aws:SecureTransport": context.env?.overTls ?? false,
  };
}

export function clientOf(context: Context<AuthEnvironment>): Client {
  return { source: sourceOf(context), userAgent: cleanUserAgent(context.req.header("user-agent")) };
}

/** Whether a page of this origin sent the request: another origin cannot set the header without leave. */
export function isFromPage(context: Context): boolean {
  return context.req.header(CSRF_HEADER) === "1";
}

/** Throws `csrf_required` unless {@link isFromPage}. */
export function requirePage(context: Context): void {
  if (isFromPage(context)) return;
  throw new AuthError("csrf_required", `A change with a cookie needs the header ${CSRF_HEADER}: 1`);
}

/**
 * The live session that a request proves: by bearer token, else by a one-time ticket in `?token=` of a GET, else by the
 * cookie. Throws `unauthenticated`, or `csrf_required` for a change with the cookie alone, which a browser sends by itself.
 */
export async function sessionOfRequest(auth: AuthService, context: Context): Promise<LiveSession> {
  const header = context.req.header("authorization");
  if (header !== undefined) {
    const token = bearerToken(header);
    return proved(token && (await auth.session(token)));
  }
  const ticket = context.req.query("token");
  if (ticket !== undefined) {
    const redeemable = context.req.method === "GET";
    return proved(redeemable && (await auth.tickets.redeem(ticket, context.req.path)));
  }
  const cookie = getCookie(context, SESSION_COOKIE);
  const session = proved(cookie && (await auth.session(cookie)));
  if (!UNCHANGING_METHODS.has(context.req.method)) requirePage(context);
  return session;
}

/** The token of an Authorization header; undefined for any other scheme or form. */
export function bearerToken(header: string | undefined): string | undefined {
  return /^Bearer +(\S+)$/i.exec(header ?? "")?.[1];
}

function proved(session: LiveSession | "" | false | undefined): LiveSession {
  if (session) return session;
  throw new AuthError("unauthenticated", "Sign in: the token is missing, wrong or over");
}

/**
 * Lets a request through with its principal; see {@link sessionOfRequest}. Who that is was confirmed lately, or is asked for
 * before: proved by an older copy, an ended session would pass once more, since its user may still do what it asks for.
 */
export function authenticated(auth: AuthService) {
  return createMiddleware<AuthEnvironment>(async (context, next) => {
    await auth.access.freshened();
    const token = bearerToken(context.req.header("authorization"));
    if (token !== undefined && isApiToken(token)) {
      const caller = auth.apiTokens.verify(token);
      if (!caller) throw new AuthError("unauthenticated", "The API token is wrong or over");
      context.set("caller", caller);
      return next();
    }
    const session = await sessionOfRequest(auth, context);
    context.set("caller", session.principal);
    context.set("principal", session.principal);
    context.set("session", session);
    await next();
  });
}

/** Lets every request through as `principal`, for a surface that only the owner of the data can reach. */
export function always(principal: Principal) {
  return createMiddleware<AuthEnvironment>(async (context, next) => {
    context.set("caller", principal);
    context.set("principal", principal);
    await next();
  });
}

/** The session of a request; throws `session_required` where it comes from the operator, who has none. */
export function requireSession(context: Context<AuthEnvironment>): LiveSession {
  const session = context.get("session");
  if (!session) throw new AuthError("session_required", "This is about one's own account: sign in as a user");
  return session;
}
