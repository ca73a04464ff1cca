import { Hono, type MiddlewareHandler } from "hono";
import { OPERATOR } from "./access/access.ts";
import { made } from "./access/made.ts";
import { may, type PlaceOf } from "./access/may.ts";
import { type AuthEnvironment, sourceOf } from "./authentication.ts";
import { AuthError } from "./errors.ts";
import { body, query } from "./request-body.ts";
import { newUserBody, passwordBody, removeUserQuery, userChangeBody } from "./request-schemas.ts";
import type { AuthService } from "./service.ts";

const ALL: PlaceOf<"auth:ListUsers"> = (_, places) => places.of("user", undefined);
const ONE: PlaceOf<"auth:GetUser"> = (context, places) => places.user(context.req.param("name") ?? "");

/** Whether a user, by id, has any bucket. */
export type OwnsBuckets = (userId: string) => Promise<boolean>;

/** Users, and one's own password. */
export function userRoutes(
  auth: AuthService,
  authenticate: MiddlewareHandler<AuthEnvironment>,
  ownsBuckets: OwnsBuckets = async () => false,
) {
  return new Hono<AuthEnvironment>()
    .get("/users", authenticate, may(auth, "auth:ListUsers", ALL), async (context) =>
      context.json({ users: await auth.listUsers() }),
    )
    .post("/users", authenticate, may(auth, "auth:CreateUser", ALL), body(newUserBody), async (context) => {
      const user = context.req.valid("json");
      if (user.admin)
        auth.access.require(
          context.get("principal"),
          "auth:AttachUserRole",
          auth.places.of("user", undefined),
        );
      const created = await auth.createUser(user);
      return made(context, auth.places.of("user", created.id, created.id), created.name, created);
    })
    .get("/users/:name", authenticate, may(auth, "auth:GetUser", ONE), async (context) =>
      context.json(await auth.userWithAccess(context.req.param("name"))),
    )
    .patch(
      "/users/:name",
      authenticate,
      may(auth, "auth:UpdateUser", ONE),
      body(userChangeBody),
      async (context) => {
        const name = context.req.param("name");
        const change = context.req.valid("json");
        if (change.admin !== undefined) {
          const action = change.admin ? "auth:AttachUserRole" : "auth:DetachUserRole";
          auth.access.require(context.get("principal"), action, auth.places.user(name));
        }
        return context.json(await auth.updateUser(name, change));
      },
    )
    .delete(
      "/users/:name",
      authenticate,
      may(auth, "auth:DeleteUser", ONE),
      query(removeUserQuery),
      async (context) => {
        const { name, id } = await auth.user(context.req.param("name"));
        const { buckets, newOwner } = context.req.valid("query");
        if (buckets === undefined && (await ownsBuckets(id))) {
          throw new AuthError(
            "user_owns_buckets",
            `"${name}" owns buckets: say whether another user gets them (buckets=keep and newOwner) or they are deleted ` +
              `with all their objects (buckets=delete)`,
          );
        }
        await auth.removeUser(
          name,
          newOwner === undefined ? (buckets as "delete" | undefined) : { newOwner },
        );
        return context.body(null, 204);
      },
    )
    .put(
      "/users/:name/password",
      authenticate,
      body(passwordBody),
      may(auth, "auth:ChangePassword", ONE),
      async (context) => {
        const name = context.req.param("name").toLowerCase();
        const { password, currentPassword } = context.req.valid("json");
        const me = context.get("principal");
        // A stolen session must not become a stolen account, an administrator's least of all.
        const isOwn = me !== OPERATOR && auth.callers.isUser(me) && me.name === name;
        if (!isOwn && auth.access.decide(me, "auth:ResetPassword", auth.places.user(name)).allowed) {
          await auth.setPassword(name, password);
        } else if (currentPassword !== undefined) {
          await auth.changePassword(name, currentPassword, password, sourceOf(context));
        } else {
          throw new AuthError("invalid_request", "currentPassword: is required to change one's own password");
        }
        return context.body(null, 204);
      },
    );
}
