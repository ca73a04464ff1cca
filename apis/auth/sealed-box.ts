// A sealed secret, as stored in the database:
//   0 u8 version (1) | 1 nonce, 12 bytes | 13 ciphertext | last 16 bytes: tag
// AES-256-GCM (NIST SP 800-38D); the additional data is the context, so that a box moved to another row does not open.
// Random 96-bit nonces are safe for 2^32 boxes under one key; there are as many boxes as access keys.
import { createCipheriv, createDecipheriv } from "node:crypto";
import { assert } from "../../std/assert.ts";
import type { Random } from "../../std/random.ts";

export const SEALING_KEY_SIZE = 32;
const VERSION = 1;
const NONCE_SIZE = 12;
const TAG_SIZE = 16;
const OVERHEAD = 1 + NONCE_SIZE + TAG_SIZE;

/** A box that this key did not seal for this context, or that was altered. */
export class SealError extends Error {
  override name = "SealError";
}

export class SealedBox {
  constructor(
    private readonly key: Uint8Array,
    private readonly random: Random,
  ) {
    assert(key.length === SEALING_KEY_SIZE, "AES-256 takes a key of 32 bytes");
  }

  /** Encrypts `secret` for `context`, which {@link open} must be given again. */
  seal(secret: Uint8Array, context: string): Buffer {
    const nonce = this.random.bytes(NONCE_SIZE);
    const cipher = createCipheriv("aes-256-gcm", this.key, nonce);
    cipher.setAAD(Buffer.from(context));
    const body = Buffer.concat([cipher.update(secret), cipher.final()]);
    return Buffer.concat([Uint8Array.of(VERSION), nonce, body, cipher.getAuthTag()]);
  }

  /** Decrypts a box; throws {@link SealError}. */
  open(box: Uint8Array, context: string): Buffer {
    if (box.length < OVERHEAD || box[0] !== VERSION) throw new SealError(`not a sealed box: ${context}`);
    const nonce = box.subarray(1, 1 + NONCE_SIZE);
    const decipher = createDecipheriv("aes-256-gcm", this.key, nonce, { authTagLength: TAG_SIZE });
    decipher.setAAD(Buffer.from(context));
    decipher.setAuthTag(box.subarray(box.length - TAG_SIZE));
    const body = decipher.update(box.subarray(1 + NONCE_SIZE, box.length - TAG_SIZE));
    try {
      return Buffer.concat([body, decipher.final()]);
    } catch (error) {
      throw new SealError(`a sealed box does not open: ${context}`, { cause: error });
    }
  }
}
