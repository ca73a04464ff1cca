import { Hono, type MiddlewareHandler } from "hono";
import { may, type PlaceOf } from "../access/may.ts";
import { type AuthEnvironment, sourceOf } from "../authentication.ts";
import { body } from "../request-body.ts";
import type { AuthService } from "../service.ts";
import { passwordResetBody, settingsBody, signUpBody } from "./request-schemas.ts";

/** Whoever may make accounts may leave it to others. */
const ALL: PlaceOf<"auth:CreateUser"> = (_, places) => places.of("user", undefined);
const ONE: PlaceOf<"auth:ResetPassword"> = (context, places) => places.user(context.req.param("name") ?? "");

/** Making an account, getting back into one, and what administrators decide about both. */
export function accountRoutes(auth: AuthService, authenticate: MiddlewareHandler<AuthEnvironment>) {
  return new Hono<AuthEnvironment>()
    .get("/settings", authenticate, may(auth, "auth:ListUsers", ALL), async (context) =>
      context.json(await auth.settings.get()),
    )
    .put("/settings", authenticate, may(auth, "auth:CreateUser", ALL), body(settingsBody), async (context) =>
      context.json(await auth.settings.set(context.req.valid("json"))),
    )
    .post("/sign-up", body(signUpBody), async (context) => {
      await auth.signUp.request(context.req.valid("json"), sourceOf(context));
      return context.body(null, 202);
    })
    .post(
      "/users/:name/password-reset",
      authenticate,
      may(auth, "auth:ResetPassword", ONE),
      async (context) => context.json(await auth.passwordResets.create(context.req.param("name")), 201),
    )
    .post("/password-reset", body(passwordResetBody), async (context) => {
      const { token, password } = context.req.valid("json");
      await auth.limits.attempt(sourceOf(context), () => auth.passwordResets.redeem(token, password));
      return context.body(null, 204);
    });
}
