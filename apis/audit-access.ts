// Who may read the audit log, and look after events: proved and decided as for auth's own API.
import type { Context } from "hono";
import type { Decision } from "./audit/app.ts";
import { type Actor, ANONYMOUS } from "./audit/entry.ts";
import { AuditError } from "./audit/errors.ts";
import { actorOf } from "./auth/access/recorded.ts";
import { type AuthEnvironment, authenticated, connectionValues } from "./auth/authentication.ts";
import { AuthError } from "./auth/errors.ts";
import type { AuthService } from "./auth/service.ts";
import type { Action, KindOf } from "./policy/actions.ts";
import type { ResourceName } from "./policy/resource-names.ts";

export function decideByAuth(auth: AuthService) {
  const authenticate = authenticated(auth);
  return async <A extends Action>(
    context: Context,
    action: A,
    resource: ResourceName<KindOf<A>>,
  ): Promise<Decision> => {
    const asked = context as Context<AuthEnvironment>;
    let actor: Actor = ANONYMOUS;
    try {
      await authenticate(asked, async () => {});
      const caller = asked.get("caller");
      actor = actorOf(caller, asked.get("session")?.id);
      const values = connectionValues(asked);
      auth.access.require(caller, action, { resource, values });
      return { allowed: true, actor };
    } catch (error) {
      if (!(error instanceof AuthError)) throw error;
      const { status, message } = error;
      if (status === 401) return { allowed: false, actor, code: "unauthenticated", message };
      if (status === 403) return { allowed: false, actor, code: "forbidden", message };
      throw status === 503 ? new AuditError("unavailable", message, { cause: error }) : error;
    }
  };
}
