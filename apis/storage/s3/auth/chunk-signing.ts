import { ALGORITHM } from "./canonical.ts";
import { hmacSha256Hex } from "./signing-key.ts";

const EMPTY_SHA256 = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

/**
 * Signs the chunks and the trailer of an aws-chunked body. Each signature covers the one before it, the first the
 * request's own ({@link seed}), so that chunks cannot be dropped, moved or taken from another request
 * ("Signature calculations for the authorization header: transferring payload in multiple chunks").
 */
export class ChunkSigning {
  /** Private in the language's own sense: printing or serialising a request never shows it. */
  readonly #signingKey: Uint8Array;

  constructor(
    signingKey: Uint8Array,
    private readonly timestamp: string,
    private readonly scope: string,
    /** The hex signature of the request. */
    readonly seed: string,
  ) {
    this.#signingKey = signingKey;
  }

  /** Hex signature of the chunk whose data has the hash `sha256Hex`, behind the signature `previous`. */
  chunk(previous: string, sha256Hex: string): string {
    const text = `${ALGORITHM}-PAYLOAD\n${this.timestamp}\n${this.scope}\n${previous}\n${EMPTY_SHA256}\n${sha256Hex}`;
    return hmacSha256Hex(this.#signingKey, text);
  }

  /** Hex signature of the trailer, whose `name:value\n` lines have the hash `sha256Hex`. */
  trailer(previous: string, sha256Hex: string): string {
    const text = `${ALGORITHM}-TRAILER\n${this.timestamp}\n${this.scope}\n${previous}\n${sha256Hex}`;
    return hmacSha256Hex(this.#signingKey, text);
  }
}
