// Checksums of a whole object from those of its parts ("Checking object integrity" in the S3 user guide).
// FULL_OBJECT: a CRC is the remainder of a polynomial, so crc(A ++ B) = crc(A) * x^(8 * |B|) + crc(B) modulo P
// (Mark Adler's crc32_combine in zlib, without matrices). COMPOSITE: the checksum of the parts' raw checksums.

import { assert } from "../../../../std/assert.ts";
import {
  type ChecksumAlgorithm,
  type CrcAlgorithm,
  crcBytes,
  createChecksum,
  decodeChecksum,
} from "./checksum.ts";
import { crc32c } from "./crc32c.ts";
import { crc64nvme } from "./crc64nvme.ts";

interface Field {
  readonly width: number;
  readonly polynomial: bigint;
}

const FIELDS: Readonly<Record<CrcAlgorithm, Field>> = {
  CRC32: { width: 32, polynomial: 0xedb88320n },
  CRC32C: crc32c,
  CRC64NVME: crc64nvme,
};

/** Multiplies two polynomials modulo the field's. Reflected: the highest bit is the coefficient of x^0. */
function multiply(field: Field, a: bigint, b: bigint): bigint {
  let product = 0n;
  for (let bit = 1n << BigInt(field.width - 1); bit > 0n; bit >>= 1n) {
    if (a & bit) product ^= b;
    b = b & 1n ? (b >> 1n) ^ field.polynomial : b >> 1n;
  }
  return product;
}

/** x^(8 * bytes) modulo the field's polynomial, by squaring. */
function powerOfBytes(field: Field, bytes: number): bigint {
  const one = 1n << BigInt(field.width - 1);
  let square = one >> 8n;
  let power = one;
  for (let rest = BigInt(bytes); rest > 0n; rest >>= 1n) {
    if (rest & 1n) power = multiply(field, square, power);
    square = multiply(field, square, square);
  }
  return power;
}

function crcNumber(algorithm: CrcAlgorithm, base64: string): bigint {
  const raw = decodeChecksum(algorithm, base64);
  assert(raw !== undefined, `a stored ${algorithm} must be valid base64 of its size`);
  return BigInt(`0x${raw.toString("hex")}`);
}

/** The base64 CRC of A followed by B, from their base64 CRCs and the length of B in bytes. */
export function combineCrc(algorithm: CrcAlgorithm, crcA: string, crcB: string, lengthB: number): string {
  return fullObjectChecksum(algorithm, [
    { checksum: crcA, length: 0 },
    { checksum: crcB, length: lengthB },
  ]);
}

/** The base64 CRC of all parts, one after another; at least one. `length` in bytes. */
export function fullObjectChecksum(
  algorithm: CrcAlgorithm,
  parts: readonly { checksum: string; length: number }[],
): string {
  const field = FIELDS[algorithm];
  let crc = 0n;
  // Parts but the last have one length as a rule; its power is by far the dearest step.
  let length = 0;
  let power = powerOfBytes(field, 0);
  for (const part of parts) {
    if (part.length !== length) {
      length = part.length;
      power = powerOfBytes(field, length);
    }
    crc = multiply(field, crc, power) ^ crcNumber(algorithm, part.checksum);
  }
  return crcBytes(field.width, crc).toString("base64");
}

/** `<base64>-<number of parts>` from the parts' base64 checksums. */
export function compositeChecksum(algorithm: ChecksumAlgorithm, parts: readonly string[]): string {
  const whole = createChecksum(algorithm);
  for (const part of parts) {
    const raw = decodeChecksum(algorithm, part);
    assert(raw !== undefined, `a stored ${algorithm} must be valid base64 of its size`);
    whole.update(raw);
  }
  return `${whole.digest().toString("base64")}-${parts.length}`;
}
