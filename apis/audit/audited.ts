// Records what a Hono app refuses and changes.
import type { Context, Env } from "hono";
import { createMiddleware } from "hono/factory";
import type { Origin } from "../gateway-trust.ts";
import type { AuditEvent, Outcome } from "./entry.ts";
import { AuditError } from "./errors.ts";
import type { AuditService, Reservation } from "./service.ts";

/** What the app knows of a request once it is answered. */
export type Described = Pick<AuditEvent, "actor" | "action" | "resource" | "details">;

const READS: ReadonlySet<string> = new Set(["GET", "HEAD", "OPTIONS"]);

/**
 * A middleware for the outermost place of an app, so that it sees every answer. `describe` is called behind the handlers, with
 * what they set in the context; undefined where the path means nothing to the app, and nothing is recorded.
 *
 * - 401 and 403, of any method: recorded as refused, folded, without waiting.
 * - A change (any method but GET, HEAD, OPTIONS) holds a place in the log before its handler runs: without one it is answered 503
 *   `audit_unavailable`, and nothing was changed. Where it succeeds, or fails with 5xx, its answer waits until the entry is durable;
 *   where that fails, the answer is 503 `audit_unavailable` although the change was made, and the entry is tried on.
 * - Other answers of 4xx to changes: recorded as failed, folded, without waiting.
 * - Reads that are not refused are not recorded.
 *
 * The code of an entry is the `code` of the error that the handler threw, else `http_STATUS`. Source and request id
 * are the bindings of {@link Origin}, which may be absent.
 */
export function audited<E extends Env>(
  audit: Pick<AuditService, "record" | "reserve">,
  describe: (context: Context<E>) => Described | undefined,
) {
  return createMiddleware<E>(async (context, next) => {
    let place: Reservation | undefined;
    if (!READS.has(context.req.method)) {
      try {
        place = audit.reserve();
      } catch (error) {
        return answer(error as Error);
      }
    }
    try {
      await next();
      const event = eventOf(context, describe);
      if (!event) return;
      const { status } = context.res;
      if (place && (status < 400 || status >= 500)) await place.committed(event);
      else if (place || event.outcome === "refused") audit.record(event);
    } catch (error) {
      if (!(error instanceof AuditError) || error.code !== "audit_unavailable") throw error;
      await context.res.body?.cancel();
      context.res = answer(error);
    } finally {
      place?.release();
    }
  });
}

function eventOf<E extends Env>(
  context: Context<E>,
  describe: (context: Context<E>) => Described | undefined,
): AuditEvent | undefined {
  const described = describe(context);
  const { status } = context.res;
  const outcome = outcomeOf(status);
  const { source, requestId } = (context.env ?? {}) as Partial<Origin>;
  return (
    described && {
      ...described,
      outcome,
      code: outcome === "allowed" ? undefined : codeOf(context.error, status),
      source,
      userAgent: context.req.header("user-agent"),
      requestId,
    }
  );
}

function outcomeOf(status: number): Outcome {
  if (status === 401 || status === 403) return "refused";
  return status >= 400 ? "failed" : "allowed";
}

function codeOf(error: Error | undefined, status: number): string {
  return error && "code" in error && typeof error.code === "string" ? error.code : `http_${status}`;
}

function answer(error: Error): Response {
  if (!(error instanceof AuditError)) throw error;
  const { code, message, status } = error;
  return Response.json({ error: { code, message } }, { status, headers: { "cache-control": "no-store" } });
}
