// The bodies that the API takes. Lengths are generous bounds; the exact rules and their messages are the service's.
import { z } from "zod";
import { PASSWORD_BYTES_MAX } from "./accounts/passwords.ts";

export const name = z.string().min(1).max(256);
export const password = z.string().min(1).max(PASSWORD_BYTES_MAX);

export const newUserBody = z.strictObject({ name, password, admin: z.boolean().default(false) });
export const userChangeBody = z.strictObject({
  admin: z.boolean().optional(),
  disabled: z.boolean().optional(),
});
export const removeUserQuery = z
  .strictObject({ buckets: z.enum(["keep", "delete"]).optional(), newOwner: name.optional() })
  .refine(({ buckets, newOwner }) => (buckets === "keep") === (newOwner !== undefined), {
    path: ["newOwner"],
    message: "names who gets the buckets, with buckets=keep and only then",
  });
export const passwordBody = z.strictObject({ password, currentPassword: password.optional() });
const scopes = z.record(z.string().max(512), z.array(z.string().max(16)).max(16)).optional();
/** Without `user` and `serviceAccount`: for oneself. */
const keyOwner = { user: name.optional(), serviceAccount: name.optional(), scopes };
export const newKeyBody = z.strictObject(keyOwner);
export const importKeyBody = z.strictObject({
  ...keyOwner,
  accessKeyId: z.string().max(256),
  secretAccessKey: z.string().max(256),
});
export const keyChangeBody = z.strictObject({ disabled: z.boolean() });
export const keysQuery = z.object({ user: name.optional() });
