// What the API answers with, for its document. The compiler holds it against the handlers.
import { z } from "zod";
import { elsewhere, time } from "../openapi/schemas.ts";

const text = z.string();
const lastUsedAt = time.nullable();

const principal = z.object({
  userId: text,
  name: text,
  admin: z.boolean(),
  limitedBy: z
    .union([z.templateLiteral(["token:", z.string()]), z.templateLiteral(["key:", z.string()])])
    .optional()
    .describe("The token or key that may do less than its user"),
});
const forPage = z.object({
  expiresAt: time.describe("Of the access token, ms since the Unix epoch"),
  sessionExpiresAt: time,
  user: principal,
});
/** A page has the tokens in its cookies. */
export const signedIn = z.union([forPage.extend({ token: text, refreshToken: text }), forPage]);
export const ceremony = z.object({
  state: text.describe("To be sent back with the answer"),
  options: elsewhere("The options of WebAuthn (Level 3, 5.1), as JSON"),
});
export const secondFactor = z.object({ secondFactor: ceremony });
export const session = z.object({ user: principal, expiresAt: time.nullable() });
export const sessions = z.object({
  sessions: z.array(
    z.object({
      id: text,
      user: text,
      method: text,
      createdAt: time,
      lastUsedAt: time,
      expiresAt: time,
      network: text,
      userAgent: text,
      current: z.boolean(),
    }),
  ),
});
export const ended = z.object({ ended: z.number().int() });
export const ticket = z.object({ ticket: text, expiresAt: time });
export const jwks = z.object({
  keys: z.array(
    z.object({ kty: text, crv: text, x: text, kid: text, alg: z.literal("EdDSA"), use: z.literal("sig") }),
  ),
});

export const signInMethods = z.object({
  signUp: z.boolean(),
  providers: z.array(z.object({ id: text, name: text })),
});
export const settings = z.object({ signUp: z.boolean() });
export const secretUntil = z.object({ token: text, expiresAt: time });

export const user = z.object({
  id: text,
  name: text,
  admin: z.boolean(),
  disabled: z.boolean(),
  createdAt: time,
});
export const users = z.object({ users: z.array(user) });
export const userWithAccess = user.extend({
  roles: z.array(text),
  groups: z.array(text),
  boundary: text.nullable(),
});
export const removed = z.object({ removed: z.number().int() });

export const group = z.object({
  id: text,
  name: text,
  roles: z.array(text),
  members: z.array(text),
  createdAt: time,
});
export const groups = z.object({ groups: z.array(group) });
export const role = z.object({ name: text, builtIn: z.boolean(), document: elsewhere("A policy as JSON") });
export const roles = z.object({ roles: z.array(role) });
export const explanation = z.object({
  user: text,
  action: elsewhere("The action that was asked about"),
  resource: text,
  owner: text.nullable(),
  allowed: z.boolean(),
  reason: z.enum(["explicit-deny", "implicit-deny", "allowed"]),
  layer: z.enum(["identity", "resource", "boundary", "session"]),
  by: z.object({ policy: text, statement: z.number().int(), sid: text.optional() }).optional(),
});

const scopes = z.record(text, z.array(text)).describe("Users are in it by their ids");
export const key = z.object({
  accessKeyId: text,
  user: text,
  serviceAccount: z.literal(true).optional(),
  scopes: scopes.optional(),
  disabled: z.boolean(),
  createdAt: time,
});
export const newKey = key.extend({ secretAccessKey: text });
export const keys = z.object({ keys: z.array(key) });
const token = z.object({
  id: text,
  name: text,
  user: text.nullable(),
  serviceAccount: text.nullable(),
  scopes,
  parent: text.nullable().describe("Id of the token that it was made through"),
  createdAt: time,
  expiresAt: time,
  lastUsedAt,
});
export const newToken = token.extend({ token: text });
export const tokens = z.object({ tokens: z.array(token) });
export const serviceAccount = z.object({
  id: text,
  name: text,
  owner: text.nullable().describe("Null: the cloud's"),
  disabled: z.boolean(),
  boundary: text.nullable(),
  roles: z.array(text),
  createdAt: time,
});
export const serviceAccounts = z.object({ serviceAccounts: z.array(serviceAccount) });

export const passkey = z.object({ id: text, name: text, backedUp: z.boolean(), createdAt: time, lastUsedAt });
export const passkeys = z.object({ passkeys: z.array(passkey) });
export const providers = z.object({
  providers: z.array(
    z.object({ id: text, name: text, issuer: text, clientId: text, callbackUrl: text, createdAt: time }),
  ),
});
export const departure = z.object({ url: text });
export const identities = z.object({
  identities: z.array(z.object({ id: text, issuer: text, subject: text, createdAt: time, lastUsedAt })),
});
