import type { Context } from "hono";
import { HTTPException } from "hono/http-exception";
import type { ContentfulStatusCode } from "hono/utils/http-status";
import type { Log } from "../../../std/log.ts";
import { AuthError } from "../../auth/errors.ts";
import { S3Error } from "../s3/errors.ts";
import { failureOf } from "../s3/failure.ts";

/** An error of the JSON API itself; those of storage keep their S3 codes. */
export class RestError extends Error {
  override name = "RestError";
  constructor(
    readonly status: ContentfulStatusCode,
    readonly code: "Unauthorized" | "CsrfHeaderMissing" | "InvalidRequest" | "NotFound",
    message: string,
  ) {
    super(message);
  }
}

/** `{"error": {"code", "message"}}`, what every failure is answered with. */
export function errorAnswer(error: unknown, context: Context, log: Log): Response {
  if (error instanceof RestError) return answer(context, error.status, error.code, error.message);
  if (error instanceof AuthError && error.code === "permissions_stale") {
    context.header("retry-after", String(error.retryAfterS));
    return answer(context, error.status as ContentfulStatusCode, error.code, error.message);
  }
  // Hono's own, for a body that is no JSON.
  if (error instanceof HTTPException) return answer(context, error.status, "InvalidRequest", error.message);
  const failure = failureOf(error, log, { method: context.req.method, path: context.req.path });
  const status = failure.status as ContentfulStatusCode;
  for (const [name, value] of Object.entries(failure.headers ?? {})) context.header(name, value);
  return answer(context, status, failure.code, failure.message);
}

/** The answer to paths that mean nothing. */
export function notFound(context: Context, log: Log): Response {
  return errorAnswer(new RestError(404, "NotFound", "There is no such page."), context, log);
}

function answer(context: Context, status: ContentfulStatusCode, code: string, message: string): Response {
  return context.json({ error: { code, message } }, status);
}

export function invalidRequest(problem: string): RestError {
  return new RestError(400, "InvalidRequest", problem);
}

export function accessDenied(): S3Error {
  return new S3Error("AccessDenied");
}
