import { Hono, type MiddlewareHandler } from "hono";
import { made } from "../access/made.ts";
import { may, type PlaceOf } from "../access/may.ts";
import { type AuthEnvironment, clientOf, requireSession } from "../authentication.ts";
import { body } from "../request-body.ts";
import type { AuthService } from "../service.ts";
import { answerSignedIn } from "../sessions/session-routes.ts";
import { assertionBody, passkeyChangeBody, registrationBody } from "./request-schemas.ts";

const OWN: PlaceOf<"auth:ListPasskeys"> = (_, places, me) => places.of("passkey", me.userId);
const ANOTHERS: PlaceOf<"auth:DeletePasskey"> = (context, places, me) =>
  places.things("passkey", me, context.req.param("name"));

/** One's own passkeys, signing in with them, and taking a lost user's away. */
export function passkeyRoutes(auth: AuthService, authenticate: MiddlewareHandler<AuthEnvironment>) {
  return new Hono<AuthEnvironment>()
    .get("/passkeys", authenticate, may(auth, "auth:ListPasskeys", OWN), async (context) => {
      const { userId } = requireSession(context).principal;
      return context.json({ passkeys: await auth.passkeys.list(userId) });
    })
    .post("/passkeys/registration", authenticate, may(auth, "auth:RegisterPasskey", OWN), async (context) => {
      const session = requireSession(context);
      await auth.sessions.requireRecent(session);
      return context.json(await auth.ceremonies.beginRegistration(session));
    })
    .post(
      "/passkeys",
      authenticate,
      may(auth, "auth:RegisterPasskey", OWN),
      body(registrationBody),
      async (context) => {
        const session = requireSession(context);
        await auth.sessions.requireRecent(session);
        const passkey = await auth.ceremonies.register(session, context.req.valid("json"));
        return made(
          context,
          auth.places.of("passkey", context.get("caller").userId, passkey.id),
          passkey.name,
          passkey,
        );
      },
    )
    .patch(
      "/passkeys/:id",
      authenticate,
      may(auth, "auth:UpdatePasskey", OWN),
      body(passkeyChangeBody),
      async (context) => {
        const { userId } = requireSession(context).principal;
        await auth.passkeys.rename(userId, context.req.param("id"), context.req.valid("json").name);
        return context.body(null, 204);
      },
    )
    .delete("/passkeys/:id", authenticate, may(auth, "auth:DeletePasskey", OWN), async (context) => {
      const session = requireSession(context);
      await auth.sessions.requireRecent(session);
      await auth.passkeys.remove(session.principal.userId, context.req.param("id"));
      return context.body(null, 204);
    })
    .delete(
      "/users/:name/passkeys",
      authenticate,
      may(auth, "auth:DeletePasskey", ANOTHERS),
      async (context) => context.json({ removed: await auth.passkeys.removeAll(context.req.param("name")) }),
    )
    .post("/session/passkey/options", async (context) => context.json(await auth.passkeySignIn.begin()))
    .post("/session/passkey", body(assertionBody), async (context) => {
      const signedIn = await auth.passkeySignIn.finish(context.req.valid("json"), clientOf(context));
      return answerSignedIn(context, signedIn, 201);
    })
    .post("/session/second-factor", body(assertionBody), async (context) => {
      const signedIn = await auth.passkeySignIn.finishSecond(context.req.valid("json"), clientOf(context));
      return answerSignedIn(context, signedIn, 201);
    });
}
