import { z } from "zod";
import { TOKEN_DAYS_MAX } from "./tokens.ts";

const owner = z.string().min(1).max(256).optional();

/** Without `user` and `serviceAccount`: for oneself. */
export const newTokenBody = z
  .strictObject({
    name: z.string().min(1).max(64),
    scopes: z.record(z.string().max(512), z.array(z.string().max(16)).max(16)),
    days: z.number().int().min(1).max(TOKEN_DAYS_MAX).optional(),
    user: owner,
    serviceAccount: owner,
  })
  .refine(({ user, serviceAccount }) => user === undefined || serviceAccount === undefined, {
    message: "give user or serviceAccount, not both",
  });
export const tokensQuery = z.object({ user: owner, serviceAccount: owner });
