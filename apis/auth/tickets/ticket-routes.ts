import { Hono, type MiddlewareHandler } from "hono";
import { may } from "../access/may.ts";
import { type AuthEnvironment, requireSession } from "../authentication.ts";
import { body } from "../request-body.ts";
import type { AuthService } from "../service.ts";
import { ticketBody } from "./request-schemas.ts";

/** Tickets in the name of one's own session. */
export function ticketRoutes(auth: AuthService, authenticate: MiddlewareHandler<AuthEnvironment>) {
  return new Hono<AuthEnvironment>().post(
    "/tickets",
    authenticate,
    may(auth, "auth:GetUser", (_, places, me) => places.self(me)),
    body(ticketBody),
    async (context) => {
      const session = requireSession(context);
      return context.json(await auth.tickets.issue(session, context.req.valid("json").path), 201);
    },
  );
}
