import type { Scope } from "./canonical.ts";

/** One entry a key, day and region: room for more active keys than one machine serves, about 0.5 MB. */
const SIGNING_KEYS_MAX = 2048;

export function hmacSha256(key: string | Uint8Array, data: string): Buffer {
  return new Bun.CryptoHasher("sha256", key).update(data).digest();
}

export function hmacSha256Hex(key: Uint8Array, data: string): string {
  return new Bun.CryptoHasher("sha256", key).update(data).digest("hex");
}

/** The key that signs all requests of one secret, day and region ("Calculating a signature" in the S3 API reference). */
export function deriveSigningKey(secretAccessKey: string, scope: Scope): Buffer {
  const dateKey = hmacSha256(`AWS4${secretAccessKey}`, scope.date);
  const regionKey = hmacSha256(dateKey, scope.region);
  const serviceKey = hmacSha256(regionKey, "s3");
  return hmacSha256(serviceKey, "aws4_request");
}

/** Remembers derived keys, the least recently used leaving first. Derivation is four HMACs, a request needs one more. */
export class SigningKeyCache {
  private readonly entries = new Map<string, { secretAccessKey: string; signingKey: Buffer }>();

  constructor(private readonly entriesMax = SIGNING_KEYS_MAX) {}

  get size(): number {
    return this.entries.size;
  }

  /** The secret is compared too: an access key id that was deleted and imported anew has another one. */
  find(accessKeyId: string, secretAccessKey: string, scope: Scope): Buffer {
    const name = `${scope.date}/${scope.region}/${accessKeyId}`;
    const entry = this.entries.get(name);
    const signingKey =
      entry?.secretAccessKey === secretAccessKey
        ? entry.signingKey
        : deriveSigningKey(secretAccessKey, scope);
    this.entries.delete(name);
    this.entries.set(name, { secretAccessKey, signingKey });
    if (this.entries.size > this.entriesMax) {
      for (const oldest of this.entries.keys()) {
        this.entries.delete(oldest);
        break;
      }
    }
    return signingKey;
  }
}
