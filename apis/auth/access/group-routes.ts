import { Hono, type MiddlewareHandler } from "hono";
import type { AuthEnvironment } from "../authentication.ts";
import { body } from "../request-body.ts";
import type { AuthService } from "../service.ts";
import { made } from "./made.ts";
import { may, type PlaceOf } from "./may.ts";
import { groupBody } from "./request-schemas.ts";

const ALL: PlaceOf<"auth:ListGroups"> = (_, places) => places.of("group", undefined);
const ONE: PlaceOf<"auth:GetGroup"> = (context, places) =>
  places.of("group", undefined, context.req.param("name")?.toLowerCase());

/** Groups and who is in them. */
export function groupRoutes(auth: AuthService, authenticate: MiddlewareHandler<AuthEnvironment>) {
  return new Hono<AuthEnvironment>()
    .get("/groups", authenticate, may(auth, "auth:ListGroups", ALL), async (context) =>
      context.json({ groups: await auth.groups.list() }),
    )
    .post("/groups", authenticate, may(auth, "auth:CreateGroup", ALL), body(groupBody), async (context) => {
      const group = await auth.groups.create(context.req.valid("json").name);
      return made(context, auth.places.of("group", undefined, group.name), group.name, group);
    })
    .get("/groups/:name", authenticate, may(auth, "auth:GetGroup", ONE), async (context) =>
      context.json(await auth.groups.get(context.req.param("name"))),
    )
    .patch(
      "/groups/:name",
      authenticate,
      may(auth, "auth:UpdateGroup", ONE),
      body(groupBody),
      async (context) => {
        await auth.groups.rename(context.req.param("name"), context.req.valid("json").name);
        return context.body(null, 204);
      },
    )
    .delete("/groups/:name", authenticate, may(auth, "auth:DeleteGroup", ONE), async (context) => {
      await auth.groups.remove(context.req.param("name"));
      return context.body(null, 204);
    })
    .put(
      "/groups/:name/members/:user",
      authenticate,
      may(auth, "auth:AddUserToGroup", ONE),
      async (context) => {
        await auth.groups.addMember(context.req.param("name"), context.req.param("user"));
        return context.body(null, 204);
      },
    )
    .delete(
      "/groups/:name/members/:user",
      authenticate,
      may(auth, "auth:RemoveUserFromGroup", ONE),
      async (context) => {
        await auth.groups.removeMember(context.req.param("name"), context.req.param("user"));
        return context.body(null, 204);
      },
    );
}
