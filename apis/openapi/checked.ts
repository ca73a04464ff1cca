// Validators of queries and bodies, which tell the document what they check with.
import { validator } from "hono/validator";
import type { z } from "zod";

export interface Checking {
  query?: z.ZodType;
  json?: z.ZodType;
}

/** Makes the error for a `problem`: it names fields and rules, never values, since one of them may be a password. */
export type Refuse = (problem: string) => Error;

export function checkedQuery<Schema extends z.ZodType>(schema: Schema, refuse: Refuse) {
  const check = validator("query", (value: unknown): z.output<Schema> => parsed(schema, value, refuse));
  return Object.assign(check, { query: schema });
}

/**
 * A body of another content type is refused, so that a form on another site, which needs no leave to send, is never taken
 * for one of ours.
 */
export function checkedBody<Schema extends z.ZodType>(schema: Schema, refuse: Refuse) {
  const check = validator("json", (value: unknown, context): z.output<Schema> => {
    const type = context.req.header("content-type")?.split(";")[0]?.trim().toLowerCase();
    if (type !== "application/json")
      throw refuse("The body must be JSON, with content-type: application/json");
    return parsed(schema, value, refuse);
  });
  return Object.assign(check, { json: schema });
}

function parsed<Schema extends z.ZodType>(schema: Schema, value: unknown, refuse: Refuse): z.output<Schema> {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const problems = result.error.issues.map(
    ({ path, message }) => `${path.join(".") || "request"}: ${message}`,
  );
  throw refuse(problems.join("; "));
}
