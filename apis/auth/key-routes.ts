import { Hono, type MiddlewareHandler } from "hono";
import { made } from "./access/made.ts";
import { may } from "./access/may.ts";
import type { AuthEnvironment } from "./authentication.ts";
import { body, query } from "./request-body.ts";
import { importKeyBody, keyChangeBody, keysQuery, newKeyBody } from "./request-schemas.ts";
import type { AuthService } from "./service.ts";

/** S3 access keys: one's own, and everybody's for whoever may. */
export function keyRoutes(auth: AuthService, authenticate: MiddlewareHandler<AuthEnvironment>) {
  return new Hono<AuthEnvironment>()
    .get(
      "/keys",
      authenticate,
      may(auth, "auth:ListAccessKeys", (context, places, me) => {
        const user = context.req.query("user");
        if (user !== undefined) return places.things("access-key", me, user);
        return auth.callers.widest("auth:ListAccessKeys", "access-key", me);
      }),
      query(keysQuery),
      async (context) => {
        const { user } = context.req.valid("query");
        const me = context.get("principal");
        const all = auth.callers.widest("auth:ListAccessKeys", "access-key", me).owner === undefined;
        const owner = user === undefined && all ? undefined : auth.callers.owner(me, { user });
        return context.json({ keys: await auth.listKeys(owner) });
      },
    )
    .post(
      "/keys",
      authenticate,
      body(newKeyBody),
      may(auth, "auth:CreateAccessKey", async (context, places, me) =>
        places.credentials("access-key", me, await context.req.json()),
      ),
      async (context) => {
        const { scopes, ...owner } = context.req.valid("json");
        const me = context.get("principal");
        const limits = { scopes, tokenId: auth.callers.token(me) };
        const key = await auth.createKey(auth.callers.owner(me, owner), limits);
        return made(context, auth.places.accessKey(key.accessKeyId), key.accessKeyId, key);
      },
    )
    .post(
      "/keys/import",
      authenticate,
      body(importKeyBody),
      may(auth, "auth:ImportAccessKey", async (context, places, me) =>
        places.credentials("access-key", me, await context.req.json()),
      ),
      async (context) => {
        const { scopes, accessKeyId, secretAccessKey, ...owner } = context.req.valid("json");
        const me = context.get("principal");
        const limits = { scopes, tokenId: auth.callers.token(me) };
        const key = await auth.importKey(auth.callers.owner(me, owner), accessKeyId, secretAccessKey, limits);
        return made(context, auth.places.accessKey(accessKeyId), accessKeyId, key);
      },
    )
    .patch(
      "/keys/:id",
      authenticate,
      may(auth, "auth:UpdateAccessKey", (context, at) => at.accessKey(context.req.param("id") ?? ""), {
        hidden: "access key",
      }),
      body(keyChangeBody),
      async (context) => {
        await auth.setKeyDisabled(context.req.param("id"), context.req.valid("json").disabled);
        return context.body(null, 204);
      },
    )
    .delete(
      "/keys/:id",
      authenticate,
      may(auth, "auth:DeleteAccessKey", (context, at) => at.accessKey(context.req.param("id") ?? ""), {
        hidden: "access key",
      }),
      async (context) => {
        await auth.revokeKey(context.req.param("id"));
        return context.body(null, 204);
      },
    );
}
