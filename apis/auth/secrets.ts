// What everything secret in the database hangs on: the key-encryption key, and the keys that derive from it.
import { hkdfSync } from "node:crypto";
import type { Clock } from "../../std/clock.ts";
import type { Database } from "../../std/db/database.ts";
import type { Log } from "../../std/log.ts";
import type { Random } from "../../std/random.ts";
import type { Transaction } from "./change-feed.ts";
import { loadKeyEncryptionKey } from "./key-encryption-key.ts";
import { SEALING_KEY_SIZE, SealedBox } from "./sealed-box.ts";
import { REFRESH_KEY_SIZE, RefreshTokens } from "./sessions/refresh-tokens.ts";
import { SigningKeys } from "./signing-keys/signing-keys.ts";

export interface Secrets {
  /** For secrets in the database. */
  box: SealedBox;
  /** For what a client keeps for us for some minutes. */
  stateBox: SealedBox;
  refreshTokens: RefreshTokens;
  signingKeys: SigningKeys;
}

interface SecretsOptions {
  sql: Database;
  kekPath: string;
  clock: Clock;
  random: Random;
  log: Log;
}

/** Under a lock, so that processes that start together make one key-encryption key and one signing key. */
export function openSecrets({ sql, kekPath, clock, random, log }: SecretsOptions): Promise<Secrets> {
  return withKeysLocked(sql, async (transaction) => {
    const [sealed] = await transaction`
      SELECT 1 WHERE EXISTS (SELECT FROM signing_keys) OR EXISTS (SELECT FROM access_keys)`;
    const kek = await loadKeyEncryptionKey(kekPath, { sealedBefore: sealed !== undefined, random, log });
    const box = new SealedBox(kek, random);
    const signingKeys = new SigningKeys(box, clock);
    await signingKeys.rotate(transaction);
    return {
      box,
      stateBox: new SealedBox(derive(kek, "states", SEALING_KEY_SIZE), random),
      refreshTokens: new RefreshTokens(derive(kek, "refresh tokens", REFRESH_KEY_SIZE)),
      signingKeys,
    };
  });
}

export async function withKeysLocked<T>(
  sql: Database,
  work: (transaction: Transaction) => Promise<T>,
): Promise<T> {
  const { result } = await sql.begin(async (transaction) => {
    await transaction`SELECT pg_advisory_xact_lock(hashtext('skerry auth keys'))`;
    return { result: await work(transaction) };
  });
  return result;
}

/** HKDF (RFC 5869): a key of its own for each purpose. */
function derive(kek: Uint8Array, purpose: string, size: number): Buffer {
  return Buffer.from(hkdfSync("sha256", kek, new Uint8Array(), `skerry auth ${purpose}`, size));
}
