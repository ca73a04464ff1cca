// A refresh token is "skr." SESSION "." GENERATION "." MAC, opaque to those who hold it. The MAC is
// HMAC-SHA-256(key, seed, GENERATION): the seed is random and in the session's row, the key derives from the
// key-encryption key in its file. So neither a dump of the database nor the key file alone gives a token, no token is
// stored, and every token that a session ever had is known again, which is what finds a stolen one (RFC 9700, 4.14.2).
import { createHmac, timingSafeEqual } from "node:crypto";
import { assert } from "../../../std/assert.ts";

export const REFRESH_KEY_SIZE = 32;
/** 256 bits. */
export const REFRESH_SEED_SIZE = 32;
const FORM = /^skr\.([A-Za-z0-9_-]{22})\.(0|[1-9]\d{0,8})\.([A-Za-z0-9_-]{43})$/;

/** What a token claims until its MAC is checked. */
export interface ClaimedRefreshToken {
  sessionId: string;
  generation: number;
  mac: string;
}

/** The parts of a refresh token; undefined for any other text. */
export function parseRefreshToken(token: string): ClaimedRefreshToken | undefined {
  const [, sessionId, generation, mac] = FORM.exec(token) ?? [];
  if (sessionId === undefined || generation === undefined || mac === undefined) return undefined;
  return { sessionId, generation: Number(generation), mac };
}

export class RefreshTokens {
  constructor(private readonly key: Uint8Array) {
    assert(key.length === REFRESH_KEY_SIZE, "refresh tokens are made with a key of 256 bits");
  }

  /** The token of `generation`, counted from 0, of the session with this seed. */
  tokenOf(sessionId: string, seed: Uint8Array, generation: number): string {
    return `skr.${sessionId}.${generation}.${this.mac(seed, generation).toString("base64url")}`;
  }

  /** Whether the session with this seed ever had the token. */
  isGenuine(claimed: ClaimedRefreshToken, seed: Uint8Array): boolean {
    return timingSafeEqual(Buffer.from(claimed.mac, "base64url"), this.mac(seed, claimed.generation));
  }

  private mac(seed: Uint8Array, generation: number): Buffer {
    assert(seed.length === REFRESH_SEED_SIZE, "a seed has 256 bits, so that what follows it stands apart");
    return createHmac("sha256", this.key).update(seed).update(String(generation)).digest();
  }
}
