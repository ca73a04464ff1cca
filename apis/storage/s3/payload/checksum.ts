import { crc32c } from "./crc32c.ts";
import { crc64nvme } from "./crc64nvme.ts";
import type { ReflectedCrc } from "./reflected-crc.ts";

export type CrcAlgorithm = "CRC32" | "CRC32C" | "CRC64NVME";
export type ChecksumAlgorithm = CrcAlgorithm | "SHA1" | "SHA256";

/** Length of the raw checksum in bytes, by algorithm. On the wire it is base64 of these, most significant first. */
export const CHECKSUM_SIZE: Readonly<Record<ChecksumAlgorithm, number>> = {
  CRC32: 4,
  CRC32C: 4,
  CRC64NVME: 8,
  SHA1: 20,
  SHA256: 32,
};

export const CHECKSUM_ALGORITHMS = Object.keys(CHECKSUM_SIZE) as readonly ChecksumAlgorithm[];

/** `x-amz-checksum-crc32` and so on. */
export function checksumHeader(algorithm: ChecksumAlgorithm): string {
  return `x-amz-checksum-${algorithm.toLowerCase()}`;
}

const BY_HEADER: ReadonlyMap<string, ChecksumAlgorithm> = new Map(
  CHECKSUM_ALGORITHMS.map((algorithm) => [checksumHeader(algorithm), algorithm]),
);

/** The algorithm that a header's or trailer's name speaks of, or undefined. */
export function algorithmOfHeader(name: string): ChecksumAlgorithm | undefined {
  return BY_HEADER.get(name);
}

/** The raw checksum of base64 text, or undefined where that is no checksum of this algorithm. */
export function decodeChecksum(algorithm: ChecksumAlgorithm, base64: string): Buffer | undefined {
  return decodeBase64(base64, CHECKSUM_SIZE[algorithm]);
}

/** `size` bytes of strict base64. Buffer.from skips what is not base64, so the round trip is compared. */
export function decodeBase64(base64: string, size: number): Buffer | undefined {
  const bytes = Buffer.from(base64, "base64");
  return bytes.length === size && bytes.toString("base64") === base64 ? bytes : undefined;
}

/** A checksum while bytes pass by. */
export interface Checksum {
  update(bytes: Uint8Array): void;
  /** The raw checksum. Only once. */
  digest(): Buffer;
}

export function createChecksum(algorithm: ChecksumAlgorithm): Checksum {
  switch (algorithm) {
    case "CRC32":
      return new Crc32();
    case "CRC32C":
      return new RunningCrc(crc32c);
    case "CRC64NVME":
      return new RunningCrc(crc64nvme);
    case "SHA1":
      return new Digest("sha1");
    case "SHA256":
      return new Digest("sha256");
  }
}

/** Bun's own, with the CPU's carry-less multiplication. */
class Crc32 implements Checksum {
  private crc = 0;

  update(bytes: Uint8Array): void {
    this.crc = Bun.hash.crc32(bytes, this.crc);
  }

  digest(): Buffer {
    const raw = Buffer.allocUnsafe(4);
    raw.writeUInt32BE(this.crc);
    return raw;
  }
}

class RunningCrc implements Checksum {
  private crc = 0n;

  constructor(private readonly kind: ReflectedCrc) {}

  update(bytes: Uint8Array): void {
    this.crc = this.kind.update(this.crc, bytes);
  }

  digest(): Buffer {
    return crcBytes(this.kind.width, this.crc);
  }
}

/** Most significant byte first. */
export function crcBytes(width: number, crc: bigint): Buffer {
  return Buffer.from(crc.toString(16).padStart(width / 4, "0"), "hex");
}

class Digest implements Checksum {
  private readonly hasher: Bun.CryptoHasher;

  constructor(name: "sha1" | "sha256") {
    this.hasher = new Bun.CryptoHasher(name);
  }

  update(bytes: Uint8Array): void {
    this.hasher.update(bytes);
  }

  digest(): Buffer {
    return this.hasher.digest();
  }
}
