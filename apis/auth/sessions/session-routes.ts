import { type Context, Hono, type MiddlewareHandler } from "hono";
import { may, type PlaceOf } from "../access/may.ts";
import {
  type AuthEnvironment,
  clientOf,
  isFromPage,
  requirePage,
  requireSession,
} from "../authentication.ts";
import { AuthError } from "../errors.ts";
import { body, query } from "../request-body.ts";
import type { AuthService } from "../service.ts";
import { refreshBody, sessionsQuery, signInBody } from "./request-schemas.ts";
import { clearSessionCookies, refreshCookie, setSessionCookies } from "./session-cookies.ts";
import type { SignedIn } from "./sessions.ts";

/** What a page is told; its tokens are in the cookies. */
export type SignedInPage = Pick<SignedIn, "expiresAt" | "sessionExpiresAt" | "user">;

const OWN: PlaceOf<"auth:RevokeSession"> = (_, places, me) => places.of("session", me.userId);
const WHOSE: PlaceOf<"auth:ListSessions"> = (context, places, me) =>
  places.things("session", me, context.req.query("user"));
const ONE: PlaceOf<"auth:RevokeSession"> = (context, places) => places.session(context.req.param("id") ?? "");

/** The session that the request proves is the one that it ends. An API token proves none. */
function endsItself(context: Context<AuthEnvironment>): boolean {
  const session = context.get("session");
  return session !== undefined && (context.req.param("id") ?? session.id) === session.id;
}

/** Signing in and out, who one is, and all of one's sessions. */
export function sessionRoutes(auth: AuthService, authenticate: MiddlewareHandler<AuthEnvironment>) {
  return new Hono<AuthEnvironment>()
    .post("/session", body(signInBody), async (context) => {
      const { user, password } = context.req.valid("json");
      const result = await auth.signIn(user, password, clientOf(context));
      // 202: there is no session yet; POST /session/second-factor begins it.
      return "secondFactor" in result ? context.json(result, 202) : answerSignedIn(context, result, 201);
    })
    .post("/session/refresh", async (context) => {
      const client = clientOf(context);
      const token = await refreshTokenOf(context);
      const signedIn = await auth.limits.attempt(client.source, () => auth.sessions.refresh(token, client));
      return answerSignedIn(context, signedIn, 200);
    })
    .get(
      "/session",
      authenticate,
      may(auth, "auth:GetUser", (_, places, me) => places.self(me)),
      (context) => {
        const session = context.get("session");
        return context.json({ user: context.get("principal"), expiresAt: session?.expiresAt ?? null });
      },
    )
    .delete(
      "/session",
      authenticate,
      may(auth, "auth:RevokeSession", OWN, { givesUp: endsItself }),
      async (context) => {
        await auth.signOut(requireSession(context));
        clearSessionCookies(context);
        return context.body(null, 204);
      },
    )
    .get(
      "/sessions",
      authenticate,
      may(auth, "auth:ListSessions", WHOSE),
      query(sessionsQuery),
      async (context) => {
        const userId = await userIdOf(auth, context, context.req.valid("query").user);
        const current = context.get("session")?.id;
        const sessions = await auth.sessions.list(userId);
        return context.json({
          sessions: sessions.map((each) => ({ ...each, current: each.id === current })),
        });
      },
    )
    .delete(
      "/sessions",
      authenticate,
      may(auth, "auth:RevokeSession", WHOSE),
      query(sessionsQuery),
      async (context) => {
        const userId = await userIdOf(auth, context, context.req.valid("query").user);
        return context.json({ ended: await auth.sessions.endAll(userId, context.get("session")?.id) });
      },
    )
    .delete(
      "/sessions/:id",
      authenticate,
      may(auth, "auth:RevokeSession", ONE, { hidden: "session", givesUp: endsItself }),
      async (context) => {
        await auth.sessions.end(context.req.param("id"));
        return context.body(null, 204);
      },
    );
}

/**
 * Tokens for a program; for a page ({@link isFromPage}) cookies, since what a script can read an injected one can send
 * away.
 */
export function answerSignedIn<Status extends 200 | 201>(
  context: Context,
  signedIn: SignedIn,
  status: Status,
) {
  // Who it was, for the audit log.
  context.set("caller", signedIn.user);
  if (!isFromPage(context)) return context.json(signedIn, status);
  setSessionCookies(context, signedIn);
  const { expiresAt, sessionExpiresAt, user } = signedIn;
  return context.json({ expiresAt, sessionExpiresAt, user } satisfies SignedInPage, status);
}

/** The refresh token of a page's cookie, or of a program's body. */
async function refreshTokenOf(context: Context): Promise<string> {
  const cookie = refreshCookie(context);
  if (cookie) {
    requirePage(context);
    if (cookie.foreign) throw new AuthError("unauthenticated", "The cookies are of two sessions: sign in");
    return cookie.token;
  }
  const parsed = refreshBody.safeParse(await context.req.json().catch(() => undefined));
  if (parsed.success) return parsed.data.refreshToken;
  throw new AuthError("unauthenticated", "There is no refresh token: sign in");
}

/** Whose sessions it is about: one's own, or those of the user who is named. */
async function userIdOf(
  auth: AuthService,
  context: Context<AuthEnvironment>,
  name: string | undefined,
): Promise<string> {
  if (name === undefined) return requireSession(context).principal.userId;
  return (await auth.user(name)).id;
}
