import { errors, jwtVerify, SignJWT } from "jose";
import type { Clock } from "../../../std/clock.ts";
import { BoundedMap } from "../bounded-map.ts";
import { SIGNATURE_ALGORITHM, type SigningKeys } from "../signing-keys/signing-keys.ts";
import type { Session } from "./session-store.ts";

/** The audience of every token: this cloud's own APIs. */
export const AUDIENCE = "skerry";
/** RFC 9068: tells an access token from every other JWT that the same keys may sign. */
export const ACCESS_TOKEN_TYPE = "at+jwt";
export const ACCESS_TOKEN_MS = 5 * 60_000;
/** How far the clocks of two of our processes may be apart: a token may begin so long after now. None ends later. */
export const CLOCK_SKEW_S = 5;
/** Ours have about 420 characters. */
const TOKEN_LENGTH_MAX = 1_024;
/** Checking a signature takes about 0.2 ms, remembering it 1 KiB. */
const VERIFIED_MAX = 10_000;

/** What a genuine, unexpired token says; whether its session still lives is another question. */
export interface Claims {
  userId: string;
  sessionId: string;
  /** ms since the epoch. */
  expiresAt: number;
}

/** An access token and when it is over, ms since the epoch. */
export interface AccessToken {
  token: string;
  expiresAt: number;
}

/** Signs and checks the access tokens: JWTs (RFC 7519) with iss, aud, sub (user id), jti (session id), iat, nbf, exp. */
export class AccessTokens {
  private readonly verified = new BoundedMap<string, Claims>(VERIFIED_MAX);

  constructor(
    private readonly keys: Pick<SigningKeys, "signer" | "publicKey">,
    private readonly issuer: string,
    private readonly clock: Clock,
  ) {}

  async issue(session: Session): Promise<AccessToken> {
    const { kid, privateKey } = this.keys.signer();
    const now = Math.floor(this.clock.now() / 1000);
    const end = Math.floor(Math.min(this.clock.now() + ACCESS_TOKEN_MS, session.expiresAt) / 1000);
    const token = await new SignJWT()
      .setProtectedHeader({ alg: SIGNATURE_ALGORITHM, typ: ACCESS_TOKEN_TYPE, kid })
      .setIssuer(this.issuer)
      .setAudience(AUDIENCE)
      .setSubject(session.userId)
      .setJti(session.id)
      .setIssuedAt(now)
      .setNotBefore(now)
      .setExpirationTime(end)
      .sign(privateKey);
    return { token, expiresAt: end * 1000 };
  }

  /** The claims of a token that we signed and that has not expired, else undefined. */
  async verify(token: string): Promise<Claims | undefined> {
    if (token.length > TOKEN_LENGTH_MAX) return undefined;
    const claims = this.verified.get(token) ?? (await this.check(token));
    if (!claims || claims.expiresAt <= this.clock.now()) {
      this.verified.delete(token);
      return undefined;
    }
    this.verified.set(token, claims);
    return claims;
  }

  private async check(token: string): Promise<Claims | undefined> {
    try {
      const { payload } = await jwtVerify(token, ({ kid }) => this.publicKey(kid), {
        algorithms: [SIGNATURE_ALGORITHM],
        typ: ACCESS_TOKEN_TYPE,
        issuer: this.issuer,
        audience: AUDIENCE,
        requiredClaims: ["sub", "jti", "exp"],
        clockTolerance: CLOCK_SKEW_S,
        currentDate: new Date(this.clock.now()),
      });
      const { sub = "", jti = "", exp = 0 } = payload;
      return { userId: sub, sessionId: jti, expiresAt: exp * 1000 };
    } catch (error) {
      if (error instanceof errors.JOSEError) return undefined;
      throw error;
    }
  }

  private publicKey(kid: string | undefined) {
    const key = this.keys.publicKey(kid ?? "");
    if (!key) throw new errors.JWKSNoMatchingKey();
    return key;
  }
}
