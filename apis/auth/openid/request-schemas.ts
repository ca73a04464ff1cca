import { z } from "zod";

export const providerBody = z.strictObject({
  name: z.string().trim().min(1).max(64),
  issuer: z.string().max(512),
  clientId: z.string().min(1).max(256),
  clientSecret: z.string().min(1).max(1_024),
  callbackUrl: z.string().max(512),
});

/** In the path of the callback: plain letters, as the provider has it registered. */
export const providerId = z.string().regex(/^[a-z0-9][a-z0-9-]{0,31}$/);
