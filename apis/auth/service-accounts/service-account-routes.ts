import { type Context, Hono, type MiddlewareHandler } from "hono";
import { made } from "../access/made.ts";
import { may, type PlaceOf } from "../access/may.ts";
import type { AuthEnvironment } from "../authentication.ts";
import { AuthError } from "../errors.ts";
import { body, query } from "../request-body.ts";
import type { AuthService } from "../service.ts";
import { newServiceAccountBody, serviceAccountBody, serviceAccountsQuery } from "./request-schemas.ts";

const ONE: PlaceOf<"auth:GetServiceAccount"> = (context, places) =>
  places.serviceAccount(context.req.param("name") ?? "");

/** Service accounts: one's own, and everybody's and the cloud's for whoever may. */
export function serviceAccountRoutes(auth: AuthService, authenticate: MiddlewareHandler<AuthEnvironment>) {
  const listed = (context: Context<AuthEnvironment>, user: string | undefined) => {
    const me = context.get("caller");
    if (user !== undefined) return auth.places.things("service-account", me, user);
    return auth.callers.widest("auth:ListServiceAccounts", "service-account", me);
  };
  return new Hono<AuthEnvironment>()
    .get(
      "/service-accounts",
      authenticate,
      may(auth, "auth:ListServiceAccounts", (context) => listed(context, context.req.query("user"))),
      query(serviceAccountsQuery),
      async (context) => {
        const { user } = context.req.valid("query");
        const ownerId = user === undefined ? listed(context, user).owner : (await auth.user(user)).id;
        return context.json({ serviceAccounts: await auth.serviceAccounts.list({ ownerId }) });
      },
    )
    .post(
      "/service-accounts",
      authenticate,
      body(newServiceAccountBody),
      may(auth, "auth:CreateServiceAccount", async (context, places, me) => {
        const { owner } = await context.req.json();
        return owner === null
          ? places.of("service-account", undefined)
          : places.things("service-account", me, owner);
      }),
      async (context) => {
        const me = context.get("principal");
        const { name, owner = auth.callers.isUser(me) ? me.name : undefined } = context.req.valid("json");
        if (owner === undefined) {
          throw new AuthError("invalid_request", "owner: is required of a service account of the cloud");
        }
        const account = await auth.serviceAccounts.create({ name, owner, parentId: auth.callers.token(me) });
        return made(context, auth.places.serviceAccount(account.name), account.name, account);
      },
    )
    .get("/service-accounts/:name", authenticate, may(auth, "auth:GetServiceAccount", ONE), async (context) =>
      context.json(await auth.serviceAccounts.get(context.req.param("name"))),
    )
    .patch(
      "/service-accounts/:name",
      authenticate,
      may(auth, "auth:UpdateServiceAccount", ONE),
      body(serviceAccountBody),
      async (context) => {
        await auth.serviceAccounts.setDisabled(context.req.param("name"), context.req.valid("json").disabled);
        return context.json(await auth.serviceAccounts.get(context.req.param("name")));
      },
    )
    .delete(
      "/service-accounts/:name",
      authenticate,
      may(auth, "auth:DeleteServiceAccount", ONE),
      async (context) => {
        await auth.serviceAccounts.remove(context.req.param("name"));
        return context.body(null, 204);
      },
    );
}
