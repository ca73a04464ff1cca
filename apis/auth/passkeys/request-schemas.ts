// The JSON forms of WebAuthn's answers (Level 3, 5.1), without the members that nobody here looks at.
import { z } from "zod";
import { STATE_LENGTH_MAX } from "../sealed-state.ts";

const base64url = (max: number) =>
  z
    .string()
    .min(1)
    .max(max)
    .regex(/^[A-Za-z0-9_-]+$/);
/** 1,023 bytes at most (WebAuthn, 4). */
const credentialId = base64url(1_364);
const state = base64url(STATE_LENGTH_MAX);
const label = z
  .string()
  .trim()
  .min(1)
  .max(64)
  .regex(/^\P{Cc}+$/u, "must have no control characters");

const credential = {
  id: credentialId,
  rawId: credentialId,
  type: z.literal("public-key"),
  authenticatorAttachment: z.enum(["platform", "cross-platform"]).optional(),
  clientExtensionResults: z.object({}),
};

export const registrationBody = z.strictObject({
  state,
  name: label,
  response: z.object({
    ...credential,
    response: z.object({
      clientDataJSON: base64url(4_096),
      attestationObject: base64url(8_192),
      transports: z
        .array(z.enum(["ble", "cable", "hybrid", "internal", "nfc", "smart-card", "usb"]))
        .max(7)
        .optional(),
    }),
  }),
});

export const assertionBody = z.strictObject({
  state,
  response: z.object({
    ...credential,
    response: z.object({
      clientDataJSON: base64url(4_096),
      authenticatorData: base64url(2_048),
      // ML-DSA-87 has 4,627 bytes; browsers choose ML-DSA-44 already.
      signature: base64url(8_192),
      userHandle: base64url(128).optional(),
    }),
  }),
});

export const passkeyChangeBody = z.strictObject({ name: label });
