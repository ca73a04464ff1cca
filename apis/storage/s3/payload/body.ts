// The body of a request, with everything verified that anybody said about it.

import { assert } from "../../../../std/assert.ts";
import type { Authenticated } from "../auth/authenticate.ts";
import type { S3Request } from "../http.ts";
import { AwsChunkedDecoder } from "./aws-chunked.ts";
import { BodyDigests, type BodySums } from "./body-digests.ts";
import { type ChecksumAlgorithm, checksumHeader } from "./checksum.ts";
import { BODY_LENGTH_MAX, type Declaration, entityTooLarge, readDeclaration } from "./declaration.ts";
import { PayloadError } from "./errors.ts";

export { PayloadError } from "./errors.ts";

export interface VerifiedBody {
  /**
   * The decoded bytes, once. It throws {@link PayloadError} instead of ending if anything is wrong, also when the client
   * went away: commit only after it has ended. The raw body is left open then, for the error response to be sent.
   */
  readonly stream: AsyncIterable<Uint8Array>;
  /** Decoded bytes in all, where known beforehand. */
  readonly length: number | undefined;
  /** Valid after {@link stream} has ended. */
  result(): BodySums;
}

/**
 * Undoes aws-chunked and verifies chunk signatures, SHA-256, Content-MD5, checksums of headers and trailers, and the
 * length. Throws {@link PayloadError} at once where the headers are wrong already. `compute` adds checksums to the
 * result that the client did not send.
 */
export function verifyBody(
  request: S3Request,
  authenticated: Authenticated,
  compute: readonly ChecksumAlgorithm[] = [],
): VerifiedBody {
  const declaration = readDeclaration(request, authenticated);
  let sums: BodySums | undefined;
  const body = new BodyVerification(authenticated, declaration, compute);
  return {
    stream: body.verify(request.body, (result) => {
      sums = result;
    }),
    length: declaration.length,
    result() {
      assert(sums !== undefined, "a body's sums are asked for only after its stream has ended");
      return sums;
    },
  };
}

class BodyVerification {
  private readonly digests: BodyDigests;
  private readonly decoder: AwsChunkedDecoder | undefined;
  private wireBytes = 0;
  private bytes = 0;

  constructor(
    authenticated: Authenticated,
    private readonly declaration: Declaration,
    compute: readonly ChecksumAlgorithm[],
  ) {
    const { payload } = authenticated;
    this.digests = new BodyDigests(
      payload.kind === "signed" ? payload.sha256Hex : undefined,
      declaration,
      compute,
    );
    if (payload.kind !== "chunked") return;
    assert(!payload.signed || authenticated.signing !== undefined, "signed chunks need a signed request");
    this.decoder = new AwsChunkedDecoder({
      signing: payload.signed ? authenticated.signing : undefined,
      decodedLength: declaration.length ?? 0,
      trailer: payload.trailer,
      trailerName: declaration.trailer && checksumHeader(declaration.trailer),
    });
  }

  async *verify(
    body: AsyncIterable<Uint8Array> | null,
    done: (sums: BodySums) => void,
  ): AsyncGenerator<Uint8Array, void, undefined> {
    // Not for-await: leaving such a loop ends the source, and with node:http the socket of the response with it.
    const source = body?.[Symbol.asyncIterator]();
    for (;;) {
      const raw = source === undefined ? undefined : await this.receive(source);
      if (raw === undefined) break;
      for (const piece of this.decoder === undefined ? [raw] : this.decoder.push(raw)) {
        this.count(piece.length);
        this.digests.update(piece);
        yield piece;
      }
    }
    this.checkLengths();
    done(this.digests.verify(this.decoder?.trailerValue));
  }

  private async receive(source: AsyncIterator<Uint8Array>): Promise<Uint8Array | undefined> {
    let next: IteratorResult<Uint8Array>;
    try {
      next = await source.next();
    } catch (cause) {
      throw incomplete("The connection failed before the request body was complete.", cause);
    }
    if (next.done) return undefined;
    this.wireBytes += next.value.length;
    const { wireLength } = this.declaration;
    if (wireLength !== undefined && this.wireBytes > wireLength) {
      throw new PayloadError("InvalidRequest", "The request body is longer than Content-Length says.");
    }
    return next.value;
  }

  private count(length: number): void {
    this.bytes += length;
    if (this.bytes > BODY_LENGTH_MAX) throw entityTooLarge(this.bytes);
  }

  private checkLengths(): void {
    const { wireLength, length } = this.declaration;
    if (wireLength !== undefined && this.wireBytes !== wireLength) {
      throw incomplete(
        "You did not provide the number of bytes specified by the Content-Length HTTP header.",
      );
    }
    this.decoder?.finish();
    assert(length === undefined || this.bytes === length, "a complete body has its declared length");
  }
}

function incomplete(message: string, cause?: unknown): PayloadError {
  return new PayloadError("IncompleteBody", message, {}, { cause });
}
