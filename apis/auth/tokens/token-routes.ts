import { Hono, type MiddlewareHandler } from "hono";
import { made } from "../access/made.ts";
import { may } from "../access/may.ts";
import type { AuthEnvironment } from "../authentication.ts";
import { body, query } from "../request-body.ts";
import type { AuthService } from "../service.ts";
import { newTokenBody, tokensQuery } from "./request-schemas.ts";

/** API tokens: one's own, and everybody's for whoever may. */
export function tokenRoutes(auth: AuthService, authenticate: MiddlewareHandler<AuthEnvironment>) {
  return new Hono<AuthEnvironment>()
    .get(
      "/tokens",
      authenticate,
      may(auth, "auth:ListTokens", (context, places, me) => {
        const { user, serviceAccount } = context.req.query();
        if (user === undefined && serviceAccount === undefined)
          return auth.callers.widest("auth:ListTokens", "token", me);
        return places.credentials("token", me, { user, serviceAccount });
      }),
      query(tokensQuery),
      async (context) => {
        const { user, serviceAccount } = context.req.valid("query");
        if (serviceAccount !== undefined) {
          const { id } = await auth.serviceAccounts.get(serviceAccount);
          return context.json({ tokens: await auth.apiTokens.list({ serviceAccountId: id }) });
        }
        const me = context.get("principal");
        if (user !== undefined) {
          const { id } = await auth.user(user);
          return context.json({ tokens: await auth.apiTokens.list({ userId: id }) });
        }
        const id = auth.callers.widest("auth:ListTokens", "token", me).owner;
        const whose = auth.callers.isUser(me) ? { userId: id } : { serviceAccountId: id };
        return context.json({ tokens: await auth.apiTokens.list(whose) });
      },
    )
    .post(
      "/tokens",
      authenticate,
      body(newTokenBody),
      may(auth, "auth:CreateToken", async (context, places, me) =>
        places.credentials("token", me, await context.req.json()),
      ),
      async (context) => {
        const { name, scopes, days, ...owner } = context.req.valid("json");
        const me = context.get("principal");
        const token = await auth.apiTokens.create(
          auth.callers.owner(me, owner),
          { name, scopes, days },
          auth.callers.token(me),
        );
        return made(context, auth.places.token(token.id), name, token);
      },
    )
    .delete(
      "/tokens/:id",
      authenticate,
      may(auth, "auth:RevokeToken", (context, places) => places.token(context.req.param("id") ?? ""), {
        hidden: "token",
      }),
      async (context) => {
        await auth.apiTokens.revoke(context.req.param("id"));
        return context.body(null, 204);
      },
    );
}
