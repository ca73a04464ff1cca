// What the API takes. Numbers in queries are decimal digits; times are ms since the epoch.
import { z } from "zod";
import { checkedBody, checkedQuery } from "../openapi/checked.ts";
import { OUTCOMES } from "./entry.ts";
import { AuditError } from "./errors.ts";
import { PAGE_MAX } from "./reader.ts";
import { DAYS_MAX } from "./retention.ts";

const PAGE_DEFAULT = 100;

const text = z.string().min(1).max(1_200);
const whole = z
  .string()
  .regex(/^\d{1,15}$/, "must be a whole number")
  .transform(Number);

const filter = {
  actor: text.optional(),
  action: z
    .string()
    .regex(/^[A-Za-z0-9:-]{0,128}\*?$/, "must be an action; a * stands at its end alone")
    .optional(),
  resource: text.optional(),
  outcome: z.enum(OUTCOMES).optional(),
  requestId: text.optional(),
  since: whole.optional(),
  until: whole.optional(),
};

export const filterQuery = z.strictObject(filter);

export const pageQuery = z
  .strictObject({
    ...filter,
    before: whole.optional(),
    after: whole.optional(),
    limit: whole.pipe(z.number().min(1).max(PAGE_MAX)).default(PAGE_DEFAULT),
  })
  .refine(({ before, after }) => before === undefined || after === undefined, "before or after, not both");

/** A position that was noted earlier, to go on from. */
export const verifyQuery = z
  .strictObject({
    sequence: whole.optional(),
    hash: z
      .string()
      .regex(/^[0-9a-f]{64}$/, "must be 64 hexadecimal digits")
      .optional(),
  })
  .refine(({ sequence, hash }) => (sequence === undefined) === (hash === undefined), "sequence needs hash");

export const retentionBody = z.strictObject({ days: z.number().int().min(1).max(DAYS_MAX) });

const refuse = (problem: string) => new AuditError("invalid_request", problem);

export function query<Schema extends z.ZodType>(schema: Schema) {
  return checkedQuery(schema, refuse);
}

export function body<Schema extends z.ZodType>(schema: Schema) {
  return checkedBody(schema, refuse);
}
