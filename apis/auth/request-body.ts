import { validator } from "hono/validator";
import type { z } from "zod";
import { AuthError } from "./errors.ts";

/**
 * Checks a JSON body against `schema`; throws `invalid_request` naming what is wrong. A body of another content type is refused,
 * so that a form on another site, which needs no leave to send, is never taken for one of ours.
 */
export function body<Schema extends z.ZodType>(schema: Schema) {
  return validator("json", (value: unknown, context): z.output<Schema> => {
    const type = context.req.header("content-type")?.split(";")[0]?.trim().toLowerCase();
    if (type !== "application/json") {
      throw new AuthError("invalid_request", "The body must be JSON, with content-type: application/json");
    }
    return parsed(schema, value);
  });
}

export function query<Schema extends z.ZodType>(schema: Schema) {
  return validator("query", (value: unknown): z.output<Schema> => parsed(schema, value));
}

/** The messages name fields and rules, never the values: one of them may be a password. */
function parsed<Schema extends z.ZodType>(schema: Schema, value: unknown): z.output<Schema> {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const problems = result.error.issues.map(({ path, message }) => `${path.join(".") || "body"}: ${message}`);
  throw new AuthError("invalid_request", problems.join("; "));
}
