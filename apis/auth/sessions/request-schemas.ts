import { z } from "zod";
import { name, password } from "../request-schemas.ts";

export const signInBody = z.strictObject({ user: name, password });
/** Absent where the token is in the cookie. */
export const refreshBody = z.strictObject({ refreshToken: z.string().max(256) });
/** Without `user`: one's own. */
export const sessionsQuery = z.object({ user: name.optional() });
