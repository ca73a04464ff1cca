// Lengths are generous bounds; the exact rules and their messages are those of groups.ts, roles.ts and std/policy.
import { z } from "zod";

const name = z.string().min(1).max(256);

export const groupBody = z.strictObject({ name });
/** `document`: a policy as JSON, or its text. */
export const newRoleBody = z.strictObject({ name, document: z.unknown() });
export const roleBody = z.strictObject({ document: z.unknown() });
export const boundaryBody = z.strictObject({ role: name });
export const explainQuery = z.object({
  action: z.string().min(1).max(256),
  resource: z.string().min(1).max(2048),
  user: name.optional(),
});
