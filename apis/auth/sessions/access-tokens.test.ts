import { beforeAll, expect, test } from "bun:test";
import { type CryptoKey, exportSPKI, generateKeyPair, SignJWT, UnsecuredJWT } from "jose";
import { AheadClock, ISSUER } from "../test-auth.ts";
import { ACCESS_TOKEN_MS, AccessTokens, AUDIENCE, CLOCK_SKEW_S } from "./access-tokens.ts";

const KID = "current";
const session = { id: "session-1", userId: "u1", expiresAt: Date.now() + 3_600_000 };
let privateKey: CryptoKey;
let publicPem: string;
let clock: AheadClock;
let tokens: AccessTokens;

beforeAll(async () => {
  const pair = await generateKeyPair("EdDSA", { crv: "Ed25519", extractable: true });
  publicPem = await exportSPKI(pair.publicKey);
  privateKey = pair.privateKey;
  clock = new AheadClock();
  const keys = {
    signer: () => ({ kid: KID, privateKey }),
    publicKey: (kid: string) => (kid === KID ? pair.publicKey : undefined),
  };
  tokens = new AccessTokens(keys, ISSUER, clock);
});

interface Variant {
  issuer?: string;
  audience?: string;
  kid?: string;
  typ?: string;
  expiresIn?: number;
  validIn?: number;
  subject?: string;
  jti?: string;
  crit?: string[];
  key?: CryptoKey;
}

function forge(variant: Variant): Promise<string> {
  const now = Math.floor(Date.now() / 1000);
  const header = { alg: "EdDSA", typ: variant.typ ?? "at+jwt", kid: variant.kid ?? KID };
  const extended = variant.crit ? { ...header, crit: variant.crit, b64: true, unheard: 1 } : header;
  const token = new SignJWT()
    .setProtectedHeader(extended)
    .setIssuer(variant.issuer ?? ISSUER)
    .setAudience(variant.audience ?? AUDIENCE)
    .setIssuedAt();
  if (variant.expiresIn !== undefined) token.setExpirationTime(now + variant.expiresIn);
  if (variant.validIn !== undefined) token.setNotBefore(now + variant.validIn);
  if (variant.subject !== undefined) token.setSubject(variant.subject);
  if (variant.jti !== undefined) token.setJti(variant.jti);
  const key = variant.key ?? privateKey;
  return variant.crit ? token.sign(key, { crit: { unheard: true } }) : token.sign(key);
}

const GENUINE: Variant = { expiresIn: 3600, subject: "u1", jti: "session-1" };

test("an issued token tells its user and session, the second time from memory", async () => {
  const { token, expiresAt } = await tokens.issue(session);
  expect(Math.abs(expiresAt - Date.now() - ACCESS_TOKEN_MS)).toBeLessThan(10_000);
  const claims = { userId: "u1", sessionId: "session-1", expiresAt };
  expect(await tokens.verify(token)).toEqual(claims);
  expect(await tokens.verify(token)).toEqual(claims);
});

test("a token of a session that ends sooner ends with it", async () => {
  const expiresAt = Math.floor(Date.now() / 1000) * 1000 + 60_000;
  expect((await tokens.issue({ ...session, expiresAt })).expiresAt).toBe(expiresAt);
});

test("the control of the attacks below: the same token without the fault is accepted", async () => {
  expect(await tokens.verify(await forge(GENUINE))).toMatchObject({ userId: "u1" });
});

test("S13: a token expires, remembered or not", async () => {
  const [seen, unseen] = [await tokens.issue(session), await tokens.issue(session)];
  expect(await tokens.verify(seen.token)).toBeDefined();
  clock.aheadMs = ACCESS_TOKEN_MS + 1;
  expect(await tokens.verify(seen.token)).toBeUndefined();
  expect(await tokens.verify(unseen.token)).toBeUndefined();
  clock.aheadMs = 0;
});

test("S13: a token may begin within the skew of clocks, and not after it", async () => {
  expect(await tokens.verify(await forge({ ...GENUINE, validIn: CLOCK_SKEW_S - 2 }))).toBeDefined();
  expect(await tokens.verify(await forge({ ...GENUINE, validIn: CLOCK_SKEW_S + 5 }))).toBeUndefined();
});

test.each<[string, Variant]>([
  ["another issuer", { ...GENUINE, issuer: "https://elsewhere.test" }],
  ["another audience", { ...GENUINE, audience: "other" }],
  ["an expiry in the past", { ...GENUINE, expiresIn: -1 }],
  ["no expiry", { ...GENUINE, expiresIn: undefined }],
  ["no subject", { ...GENUINE, subject: undefined }],
  ["no session", { ...GENUINE, jti: undefined }],
  ["an unknown kid", { ...GENUINE, kid: "other" }],
  ["a kid that is a property of objects", { ...GENUINE, kid: "__proto__" }],
  ["the type of another JWT", { ...GENUINE, typ: "JWT" }],
  ["a critical header that we do not know", { ...GENUINE, crit: ["unheard"] }],
])("S13: a token with %s is refused", async (_fault, variant) => {
  expect(await tokens.verify(await forge(variant))).toBeUndefined();
});

test("S13: a token signed by another key under our kid is refused", async () => {
  const { privateKey: other } = await generateKeyPair("EdDSA", { crv: "Ed25519" });
  expect(await tokens.verify(await forge({ ...GENUINE, key: other }))).toBeUndefined();
});

test.each(["none", "None", "NONE"])("S13: alg %s is refused", async (alg) => {
  const payload = new UnsecuredJWT({ sub: "u1", jti: "session-1" })
    .setIssuer(ISSUER)
    .setAudience(AUDIENCE)
    .setExpirationTime("1h")
    .encode()
    .split(".")[1];
  const header = Buffer.from(JSON.stringify({ alg, typ: "at+jwt", kid: KID })).toString("base64url");
  const token = `${header}.${payload}.`;
  expect(await tokens.verify(token)).toBeUndefined();
});

test("S13, E18: the public key used as an HMAC secret is refused", async () => {
  const token = await new SignJWT({ sub: "u1", jti: "session-1" })
    .setProtectedHeader({ alg: "HS256", typ: "at+jwt", kid: KID })
    .setIssuer(ISSUER)
    .setAudience(AUDIENCE)
    .setExpirationTime("1h")
    .sign(new TextEncoder().encode(publicPem));
  expect(await tokens.verify(token)).toBeUndefined();
});

test("S13: a changed payload, a cut signature, and what is no token at all are refused", async () => {
  const [header, , signature] = (await tokens.issue(session)).token.split(".");
  const admin = Buffer.from(
    JSON.stringify({ sub: "u0", jti: "session-1", iss: ISSUER, aud: AUDIENCE, exp: 9e9 }),
  );
  const wrong = [
    `${header}.${admin.toString("base64url")}.${signature}`,
    (await tokens.issue(session)).token.slice(0, -4),
    `${header}..${signature}`,
    "",
    "...",
    "x".repeat(5_000),
  ];
  for (const token of wrong) expect(await tokens.verify(token)).toBeUndefined();
});
