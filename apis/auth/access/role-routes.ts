import { type Context, Hono, type MiddlewareHandler } from "hono";
import type { AuthEnvironment } from "../authentication.ts";
import { body } from "../request-body.ts";
import type { AuthService } from "../service.ts";
import type { Target } from "./attachments.ts";
import { made } from "./made.ts";
import { may, type PlaceOf } from "./may.ts";
import { boundaryBody, newRoleBody, roleBody } from "./request-schemas.ts";

const ALL: PlaceOf<"auth:ListRoles"> = (_, places) => places.of("role", undefined);
const ONE: PlaceOf<"auth:GetRole"> = (context, places) =>
  places.of("role", undefined, context.req.param("name")?.toLowerCase());
const USER: PlaceOf<"auth:AttachUserRole"> = (context, places) =>
  places.user(context.req.param("name") ?? "");
const GROUP: PlaceOf<"auth:AttachGroupRole"> = (context, places) =>
  places.of("group", undefined, context.req.param("name")?.toLowerCase());
const ACCOUNT: PlaceOf<"auth:UpdateServiceAccount"> = (context, places) =>
  places.serviceAccount(context.req.param("name") ?? "");

/** Roles, and whom they are attached to. */
export function roleRoutes(auth: AuthService, authenticate: MiddlewareHandler<AuthEnvironment>) {
  const attach = (kind: Target["kind"]) => async (context: Context) => {
    await auth.attachments.attach({ kind, name: context.req.param("name")! }, context.req.param("role")!);
    return context.body(null, 204);
  };
  const detach = (kind: Target["kind"]) => async (context: Context) => {
    await auth.attachments.detach({ kind, name: context.req.param("name")! }, context.req.param("role")!);
    return context.body(null, 204);
  };
  const setBoundary = async (context: Context, kind: "user" | "service-account", role: string | null) => {
    await auth.attachments.setBoundary({ kind, name: context.req.param("name")! }, role);
    return context.body(null, 204);
  };
  const user = "/users/:name/roles/:role";
  const group = "/groups/:name/roles/:role";
  const account = "/service-accounts/:name/roles/:role";
  const userBoundary = "/users/:name/boundary";
  const accountBoundary = "/service-accounts/:name/boundary";
  const updateAccount = may(auth, "auth:UpdateServiceAccount", ACCOUNT);
  return new Hono<AuthEnvironment>()
    .get("/roles", authenticate, may(auth, "auth:ListRoles", ALL), async (context) =>
      context.json({ roles: await auth.roles.list() }),
    )
    .post("/roles", authenticate, may(auth, "auth:CreateRole", ALL), body(newRoleBody), async (context) => {
      const { name, document } = context.req.valid("json");
      const role = await auth.roles.create(name, document);
      return made(context, auth.places.of("role", undefined, role.name), role.name, role);
    })
    .get("/roles/:name", authenticate, may(auth, "auth:GetRole", ONE), async (context) =>
      context.json(await auth.roles.get(context.req.param("name"))),
    )
    .put("/roles/:name", authenticate, may(auth, "auth:UpdateRole", ONE), body(roleBody), async (context) =>
      context.json(await auth.roles.update(context.req.param("name"), context.req.valid("json").document)),
    )
    .delete("/roles/:name", authenticate, may(auth, "auth:DeleteRole", ONE), async (context) => {
      await auth.roles.remove(context.req.param("name"));
      return context.body(null, 204);
    })
    .put(user, authenticate, may(auth, "auth:AttachUserRole", USER), attach("user"))
    .delete(user, authenticate, may(auth, "auth:DetachUserRole", USER), detach("user"))
    .put(group, authenticate, may(auth, "auth:AttachGroupRole", GROUP), attach("group"))
    .delete(group, authenticate, may(auth, "auth:DetachGroupRole", GROUP), detach("group"))
    .put(account, authenticate, updateAccount, attach("service-account"))
    .delete(account, authenticate, updateAccount, detach("service-account"))
    .put(userBoundary, authenticate, may(auth, "auth:PutUserBoundary", USER), body(boundaryBody), (context) =>
      setBoundary(context, "user", context.req.valid("json").role),
    )
    .delete(userBoundary, authenticate, may(auth, "auth:DeleteUserBoundary", USER), (context) =>
      setBoundary(context, "user", null),
    )
    .put(accountBoundary, authenticate, updateAccount, body(boundaryBody), (context) =>
      setBoundary(context, "service-account", context.req.valid("json").role),
    )
    .delete(accountBoundary, authenticate, updateAccount, (context) =>
      setBoundary(context, "service-account", null),
    );
}
