import { z } from "zod";

const name = z.string().min(1).max(256);

/** Without `owner`: one's own; null: the cloud's. */
export const newServiceAccountBody = z.strictObject({ name, owner: name.nullable().optional() });
export const serviceAccountBody = z.strictObject({ disabled: z.boolean() });
export const serviceAccountsQuery = z.object({ user: name.optional() });
