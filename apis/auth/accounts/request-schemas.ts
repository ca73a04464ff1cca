import { z } from "zod";
import { name, password } from "../request-schemas.ts";

export const signUpBody = z.strictObject({ name, password });
export const settingsBody = z.strictObject({ signUp: z.boolean() });
export const passwordResetBody = z.strictObject({ token: z.string().max(256), password });
