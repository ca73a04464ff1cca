import { type Context, Hono, type MiddlewareHandler } from "hono";
import { deleteCookie, getCookie, setCookie } from "hono/cookie";
import { may, type PlaceOf } from "../access/may.ts";
import { type AuthEnvironment, clientOf, requireSession } from "../authentication.ts";
import { AuthError } from "../errors.ts";
import { body } from "../request-body.ts";
import type { AuthService } from "../service.ts";
import { setSessionCookies } from "../sessions/session-cookies.ts";
import { type Departure, FLOW_MS } from "./openid-sign-in.ts";
import { providerBody, providerId } from "./request-schemas.ts";

/** Kept by the browser while the person is at the provider, and sent when the provider sends them back: hence Lax. */
const FLOW_COOKIE = "__Host-skerry_openid";
const FLOW_COOKIE_ATTRIBUTES = { path: "/", httpOnly: true, secure: true, sameSite: "Lax" } as const;

/** Whoever decides which provider is believed can become any of its users. */
const EVERYBODY: PlaceOf<"auth:ResetPassword"> = (_, places) => places.of("user", undefined);
/** An account elsewhere is a way to sign in, as a passkey is. */
const OWN: PlaceOf<"auth:ListPasskeys"> = (_, places, me) => places.of("passkey", me.userId);

/** Ways of signing in, accounts elsewhere, and, for administrators, the providers of both. */
export function openidRoutes(auth: AuthService, authenticate: MiddlewareHandler<AuthEnvironment>) {
  return new Hono<AuthEnvironment>()
    .get("/sign-in-methods", async (context) => {
      const { signUp } = await auth.settings.get();
      const providers = (await auth.providers.list()).map(({ id, name }) => ({ id, name }));
      return context.json({ signUp, providers });
    })
    .get("/openid/providers", authenticate, may(auth, "auth:ListUsers", EVERYBODY), async (context) =>
      context.json({ providers: await auth.providers.list() }),
    )
    .put(
      "/openid/providers/:id",
      authenticate,
      may(auth, "auth:ResetPassword", EVERYBODY),
      body(providerBody),
      async (context) => {
        const id = providerId.safeParse(context.req.param("id"));
        if (!id.success) throw new AuthError("invalid_provider", "A provider's id has 1 to 32 of a-z 0-9 -");
        await auth.providers.put({ ...context.req.valid("json"), id: id.data });
        return context.body(null, 204);
      },
    )
    .delete(
      "/openid/providers/:id",
      authenticate,
      may(auth, "auth:ResetPassword", EVERYBODY),
      async (context) => {
        await auth.providers.remove(context.req.param("id"));
        return context.body(null, 204);
      },
    )
    .get("/openid/:id/start", async (context) => {
      const departure = await auth.openidSignIn.begin(context.req.param("id"));
      keepFlow(context, departure);
      return context.redirect(departure.url, 303);
    })
    .post("/openid/:id/link", authenticate, may(auth, "auth:RegisterPasskey", OWN), async (context) => {
      const session = requireSession(context);
      await auth.sessions.requireRecent(session);
      const departure = await auth.openidSignIn.begin(context.req.param("id"), session);
      keepFlow(context, departure);
      return context.json({ url: departure.url });
    })
    .get("/openid/:id/callback", async (context) => {
      const flow = getCookie(context, FLOW_COOKIE) ?? "";
      deleteCookie(context, FLOW_COOKIE, FLOW_COOKIE_ATTRIBUTES);
      const { search } = new URL(context.req.url);
      try {
        const signedIn = await auth.openidSignIn.finish(
          context.req.param("id"),
          search,
          flow,
          clientOf(context),
        );
        if (signedIn) setSessionCookies(context, signedIn);
        return context.redirect("/", 303);
      } catch (error) {
        // A person looks at it, so it is the page that tells.
        if (!(error instanceof AuthError)) throw error;
        return context.redirect(`/?sign-in-error=${error.code}`, 303);
      }
    })
    .get("/identities", authenticate, may(auth, "auth:ListPasskeys", OWN), async (context) => {
      const { userId } = requireSession(context).principal;
      return context.json({ identities: await auth.identities.list(userId) });
    })
    .delete("/identities/:id", authenticate, may(auth, "auth:DeletePasskey", OWN), async (context) => {
      const session = requireSession(context);
      await auth.sessions.requireRecent(session);
      await auth.identities.unlink(session.principal.userId, context.req.param("id"));
      return context.body(null, 204);
    });
}

function keepFlow(context: Context, { flow }: Departure): void {
  setCookie(context, FLOW_COOKIE, flow, { ...FLOW_COOKIE_ATTRIBUTES, maxAge: FLOW_MS / 1000 });
}
