import type { z } from "zod";
import { checkedBody, checkedQuery } from "../openapi/checked.ts";
import { AuthError } from "./errors.ts";

const refuse = (problem: string) => new AuthError("invalid_request", problem);

/** Checks a JSON body against `schema`; throws `invalid_request` naming what is wrong. */
export function body<Schema extends z.ZodType>(schema: Schema) {
  return checkedBody(schema, refuse);
}

export function query<Schema extends z.ZodType>(schema: Schema) {
  return checkedQuery(schema, refuse);
}
