// What the audit log is told of a request to this API.
import type { Context } from "hono";
import { matchedRoutes } from "hono/route";
import { findTargetHandler } from "hono/utils/handler";
import type { Described } from "../../audit/audited.ts";
import { type Actor, ANONYMOUS, type AuditEvent, OPERATOR as OPERATING } from "../../audit/entry.ts";
import type { AuthEnvironment } from "../authentication.ts";
import type { Principal } from "../identity.ts";
import { OPERATOR } from "./access.ts";
import type { Declared } from "./may.ts";

/** Routes that take no permission, for those who have none yet: by the end of their path. */
const OPEN_ROUTES: readonly [path: string, action: AuditEvent["action"]][] = [
  ["/session", "auth:SignIn"],
  ["/session/second-factor", "auth:SignIn"],
  ["/session/passkey", "auth:SignIn"],
  ["/openid/:id/callback", "auth:SignIn"],
  ["/sign-up", "auth:SignUp"],
  ["/password-reset", "auth:ResetPassword"],
];

export function describeRequest(context: Context<AuthEnvironment>): Described | undefined {
  const action = actionOf(context);
  // A password that still wants its second factor is no sign-in yet.
  if (action === undefined) return undefined;
  if (action === "auth:SignIn" && context.res.status === 202) return undefined;
  const session = context.get("session")?.id;
  const { method, path } = context.req;
  const [made, isChange] = [context.get("made"), method !== "GET" && context.res.ok];
  return {
    actor: actorOf(context.get("caller"), session),
    action,
    resource: context.get("resource") ?? `arn:skerry:auth:::path${path}`,
    // Refusals are folded, so they tell no more than what they have in common.
    details: isChange ? { request: `${method} ${path}`, ...(made !== undefined && { made }) } : undefined,
  };
}

function actionOf(context: Context<AuthEnvironment>): AuditEvent["action"] | undefined {
  const routes = matchedRoutes(context);
  for (const { handler } of routes) {
    const { action } = findTargetHandler(handler) as Partial<Declared>;
    if (action !== undefined) return action;
  }
  const path = routes.at(-1)?.path ?? "";
  return OPEN_ROUTES.find(([end]) => path.endsWith(end))?.[1];
}

/** How an entry names whoever asked. */
export function actorOf(caller: Principal | undefined, session: string | undefined): Actor {
  if (caller === undefined) return ANONYMOUS;
  if (caller === OPERATOR) return OPERATING;
  const credential = caller.limitedBy ?? (session === undefined ? undefined : `session:${session}`);
  return { kind: "user", id: caller.userId, name: caller.name, credential };
}
