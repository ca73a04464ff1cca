import { assert } from "../../../../std/assert.ts";
import {
  type Checksum,
  type ChecksumAlgorithm,
  checksumHeader,
  createChecksum,
  decodeChecksum,
} from "./checksum.ts";
import type { Declaration } from "./declaration.ts";
import { PayloadError } from "./errors.ts";

/** What a body came to. */
export interface BodySums {
  /** The ETag of an object that is not multipart. */
  readonly md5Hex: string;
  /** Base64 by algorithm: the one that the client sent, verified, and those that were asked for. */
  readonly checksums: Readonly<Partial<Record<ChecksumAlgorithm, string>>>;
}

/** All digests of one body, computed in one pass over it and then compared with what the request declared. */
export class BodyDigests {
  private readonly md5 = new Bun.CryptoHasher("md5");
  private readonly checksums = new Map<ChecksumAlgorithm, Checksum>();

  constructor(
    private readonly sha256Hex: string | undefined,
    private readonly declaration: Declaration,
    private readonly compute: readonly ChecksumAlgorithm[],
  ) {
    const { checksum, trailer } = declaration;
    const wanted = [checksum?.algorithm, trailer, ...compute, sha256Hex === undefined ? undefined : "SHA256"];
    for (const algorithm of wanted as (ChecksumAlgorithm | undefined)[]) {
      if (algorithm && !this.checksums.has(algorithm))
        this.checksums.set(algorithm, createChecksum(algorithm));
    }
  }

  update(bytes: Uint8Array): void {
    this.md5.update(bytes);
    for (const checksum of this.checksums.values()) checksum.update(bytes);
  }

  /** Ends the digests and compares them. `trailerValue` is what the trailer brought. Throws {@link PayloadError}. */
  verify(trailerValue: string | undefined): BodySums {
    const md5Hex = this.md5.digest("hex");
    const raw = new Map([...this.checksums].map(([algorithm, checksum]) => [algorithm, checksum.digest()]));
    this.verifySha256(raw.get("SHA256"));
    this.verifyMd5(md5Hex);
    const sent = this.verifyChecksum(raw, trailerValue);
    const checksums: Partial<Record<ChecksumAlgorithm, string>> = {};
    for (const algorithm of sent ? [sent, ...this.compute] : this.compute) {
      checksums[algorithm] = raw.get(algorithm)!.toString("base64");
    }
    return { md5Hex, checksums };
  }

  private verifySha256(computed: Buffer | undefined): void {
    if (this.sha256Hex === undefined) return;
    const hex = computed?.toString("hex") ?? "";
    if (hex === this.sha256Hex) return;
    throw new PayloadError(
      "XAmzContentSHA256Mismatch",
      "The provided 'x-amz-content-sha256' header does not match what was computed.",
      { ClientComputedContentSHA256: this.sha256Hex, S3ComputedContentSHA256: hex },
    );
  }

  private verifyMd5(computedHex: string): void {
    const { contentMd5 } = this.declaration;
    if (contentMd5 === undefined || contentMd5.toString("hex") === computedHex) return;
    throw new PayloadError("BadDigest", "The Content-MD5 you specified did not match what we received.", {
      ExpectedDigest: contentMd5.toString("base64"),
      CalculatedDigest: Buffer.from(computedHex, "hex").toString("base64"),
    });
  }

  private verifyChecksum(
    raw: ReadonlyMap<ChecksumAlgorithm, Buffer>,
    trailerValue: string | undefined,
  ): ChecksumAlgorithm | undefined {
    const { checksum, trailer } = this.declaration;
    const algorithm = checksum?.algorithm ?? trailer;
    if (algorithm === undefined) return undefined;
    const value = checksum?.value ?? trailerValue;
    assert(value !== undefined, "a body that is complete has brought its trailer");
    const sent = decodeChecksum(algorithm, value);
    if (sent === undefined) {
      throw new PayloadError(
        "InvalidRequest",
        `Value for ${checksumHeader(algorithm)} trailing header is invalid.`,
      );
    }
    if (!sent.equals(raw.get(algorithm)!)) {
      throw new PayloadError("BadDigest", `The ${algorithm} you specified did not match what we received.`);
    }
    return algorithm;
  }
}
