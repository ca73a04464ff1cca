// The keys that sign access tokens, replaced by the clock:
//   0          made, and published in the JWKS at once
//   10 min     signs: every process and every cache of the JWKS has it by now
//   30 days    the next key is made
//   + 10 min   the next one signs
//   + 10 min   removed: the last token that it signed is over
// Each process reads them again with every rotate(), so nothing has to be told between processes.
import {
  type CryptoKey,
  calculateJwkThumbprint,
  exportJWK,
  generateKeyPair,
  importJWK,
  type JWK,
} from "jose";
import type { Clock } from "../../../std/clock.ts";
import type { Transaction } from "../change-feed.ts";
import { AuthError } from "../errors.ts";
import { SealError, type SealedBox } from "../sealed-box.ts";

/** RFC 8037: EdDSA over Ed25519. The only algorithm that tokens are signed and checked with. */
export const SIGNATURE_ALGORITHM = "EdDSA";
export const SIGNING_KEY_MS = 30 * 24 * 3_600_000;
/** From making a key to signing with it: twice what a cache may keep the JWKS, and ten readings of the table. */
export const SIGNING_KEY_LEAD_MS = 10 * 60_000;
/** From signing with the next key to removing this one: a token's 5 minutes, and as much again for clocks and delays. */
export const SIGNING_KEY_TAIL_MS = 10 * 60_000;

/** A public key as GET /.well-known/jwks.json tells it. */
export interface PublicJwk {
  kty: string;
  crv: string;
  x: string;
  kid: string;
  alg: typeof SIGNATURE_ALGORITHM;
  use: "sig";
}

export interface Signer {
  kid: string;
  privateKey: CryptoKey;
}

interface SigningKeyRow {
  kid: string;
  public_jwk: PublicJwk;
  sealed: Uint8Array;
  created: Date;
}

export class SigningKeys {
  private active: Signer | undefined;
  /** By kid, oldest first. */
  private published = new Map<string, { jwk: PublicJwk; key: CryptoKey }>();

  constructor(
    private readonly box: SealedBox,
    private readonly clock: Clock,
  ) {}

  /**
   * Makes the key that is due, removes those whose tokens are over, and takes what the table then holds. The caller holds
   * the lock of the auth keys. Throws `kek_mismatch` where the box's key is another one's.
   */
  async rotate(transaction: Transaction): Promise<void> {
    const rows = [
      ...(await transaction<SigningKeyRow[]>`
        SELECT kid, public_jwk, sealed, created FROM signing_keys ORDER BY created, kid`),
    ];
    const newest = rows.at(-1);
    if (!newest || newest.created.getTime() + SIGNING_KEY_MS <= this.clock.now()) {
      rows.push(await this.makeKey(transaction));
    }
    const kept = rows.filter((_row, index) => !this.isOver(rows[index + 1]));
    const over = rows.filter((row) => !kept.includes(row)).map(({ kid }) => kid);
    if (over.length > 0) await transaction`DELETE FROM signing_keys WHERE kid = ANY(${over})`;
    await this.take(kept);
  }

  /** Whether the key before `next` has no token left. */
  private isOver(next: SigningKeyRow | undefined): boolean {
    if (!next) return false;
    return next.created.getTime() + SIGNING_KEY_LEAD_MS + SIGNING_KEY_TAIL_MS <= this.clock.now();
  }

  private async take(rows: readonly SigningKeyRow[]): Promise<void> {
    const known = this.published;
    const published: typeof known = new Map();
    for (const { kid, public_jwk: jwk } of rows) {
      published.set(kid, known.get(kid) ?? { jwk, key: await importKey({ ...jwk }) });
    }
    const ready = rows.filter(({ created }) => created.getTime() + SIGNING_KEY_LEAD_MS <= this.clock.now());
    // The very first key has no predecessor that could sign meanwhile.
    const signing = ready.at(-1) ?? rows[0]!;
    if (this.active?.kid !== signing.kid) {
      this.active = { kid: signing.kid, privateKey: await importKey(this.openPrivate(signing)) };
    }
    this.published = published;
  }

  /** What signs now. */
  signer(): Signer {
    if (!this.active) throw new TypeError("signing keys are rotated before they are used");
    return this.active;
  }

  /** The key of that id whose tokens may still be valid. */
  publicKey(kid: string): CryptoKey | undefined {
    return this.published.get(kid)?.key;
  }

  jwks(): { keys: PublicJwk[] } {
    return { keys: [...this.published.values()].map(({ jwk }) => jwk) };
  }

  private async makeKey(transaction: Transaction): Promise<SigningKeyRow> {
    const pair = await generateKeyPair(SIGNATURE_ALGORITHM, { crv: "Ed25519", extractable: true });
    const { kty = "", crv = "", x = "" } = await exportJWK(pair.publicKey);
    const kid = await calculateJwkThumbprint({ kty, crv, x });
    const public_jwk: PublicJwk = { kty, crv, x, kid, alg: SIGNATURE_ALGORITHM, use: "sig" };
    const secret = Buffer.from(JSON.stringify(await exportJWK(pair.privateKey)));
    const row = {
      kid,
      public_jwk,
      sealed: this.box.seal(secret, context(kid)),
      created: new Date(this.clock.now()),
    };
    await transaction`
      INSERT INTO signing_keys (kid, public_jwk, sealed, created)
      VALUES (${kid}, ${transaction.json({ ...public_jwk })}, ${row.sealed}, ${row.created})`;
    return row;
  }

  private openPrivate({ kid, sealed }: SigningKeyRow): JWK {
    try {
      return JSON.parse(this.box.open(sealed, context(kid)).toString()) as JWK;
    } catch (error) {
      if (!(error instanceof SealError)) throw error;
      throw new AuthError(
        "kek_mismatch",
        "The key file is not the one that this auth database was sealed with: put the right one back from a backup",
        { cause: error },
      );
    }
  }
}

function context(kid: string): string {
  return `signing-key:${kid}`;
}

async function importKey(jwk: JWK): Promise<CryptoKey> {
  const key = await importJWK(jwk, SIGNATURE_ALGORITHM);
  if (key instanceof Uint8Array) throw new TypeError("a signing key is a key pair, not a secret");
  return key;
}
