import type { Context } from "hono";
import type { JSONValue } from "hono/utils/types";
import type { AuthEnvironment } from "../authentication.ts";

/** Answers with `thing`, which the request has made. The audit log is told what that is, and its `name`. */
export function made<T extends JSONValue | object>(
  context: Context<AuthEnvironment>,
  { resource }: { resource: string },
  name: string,
  thing: T,
) {
  context.set("resource", resource);
  context.set("made", name);
  return context.json(thing, 201);
}
