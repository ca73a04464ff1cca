import { expect, test } from "bun:test";
import { createHash } from "node:crypto";
import { createChecksum, decodeChecksum } from "./checksum.ts";
import { crc32c } from "./crc32c.ts";
import { crc64nvme } from "./crc64nvme.ts";
import type { ReflectedCrc } from "./reflected-crc.ts";

const CHECK = Buffer.from("123456789");

const VECTORS = [
  ["CRC32", "cbf43926"],
  ["CRC32C", "e3069283"],
  ["CRC64NVME", "ae8b14860a799888"],
  ["SHA1", createHash("sha1").update(CHECK).digest("hex")],
  ["SHA256", createHash("sha256").update(CHECK).digest("hex")],
] as const;

for (const [algorithm, hex] of VECTORS) {
  test(`${algorithm} of "123456789" is ${hex}, in one piece or in nine`, () => {
    const whole = createChecksum(algorithm);
    whole.update(CHECK);
    expect(whole.digest().toString("hex")).toBe(hex);
    const pieces = createChecksum(algorithm);
    for (const byte of CHECK) pieces.update(Buffer.of(byte));
    expect(pieces.digest().toString("hex")).toBe(hex);
  });
}

// RFC 3720 appendix B.4 prints these least significant byte first.
test("CRC-32C of the blocks in RFC 3720", () => {
  expect(crc32c.update(0n, Buffer.alloc(32))).toBe(0x8a9136aan);
  expect(crc32c.update(0n, Buffer.alloc(32, 0xff))).toBe(0x62a8ab43n);
  expect(crc32c.update(0n, Buffer.from(Array.from({ length: 32 }, (_, i) => i)))).toBe(0x46dd794en);
  expect(crc32c.update(0n, Buffer.from(Array.from({ length: 32 }, (_, i) => 31 - i)))).toBe(0x113fdb5cn);
});

/** Bit by bit, by the definition. */
function slow(crc: ReflectedCrc, bytes: Uint8Array): bigint {
  const mask = (1n << BigInt(crc.width)) - 1n;
  let register = mask;
  for (const byte of bytes) {
    register ^= BigInt(byte);
    for (let bit = 0; bit < 8; bit++)
      register = register & 1n ? (register >> 1n) ^ crc.polynomial : register >> 1n;
  }
  return register ^ mask;
}

for (const crc of [crc32c, crc64nvme]) {
  test(`CRC of ${crc.width} bits: every length to 100 and every split agrees with the definition`, () => {
    const bytes = Buffer.from(Array.from({ length: 100 }, (_, i) => (i * 89 + 7) & 0xff));
    for (let length = 0; length <= bytes.length; length++) {
      const expected = slow(crc, bytes.subarray(0, length));
      expect(crc.update(0n, bytes.subarray(0, length))).toBe(expected);
      const half = crc.update(0n, bytes.subarray(0, length >> 1));
      expect(crc.update(half, bytes.subarray(length >> 1, length))).toBe(expected);
    }
  });

  test(`CRC of ${crc.width} bits: input larger than the window is the same in small pieces`, () => {
    const bytes = Buffer.alloc(700_001, "some bytes ");
    let pieces = 0n;
    for (let at = 0; at < bytes.length; at += 4099)
      pieces = crc.update(pieces, bytes.subarray(at, at + 4099));
    expect(crc.update(0n, bytes)).toBe(pieces);
  });
}

test("only base64 of the right size is a checksum", () => {
  expect(decodeChecksum("CRC32", "AAAAAQ==")?.toString("hex")).toBe("00000001");
  for (const wrong of [
    "",
    "AAAAAQ",
    "AAAAAQ=",
    "AAAAAR==",
    "AAAAAQ== ",
    "AAAAAAA=",
    "AAAA_Q==",
    "AAAA\nAQ==",
  ]) {
    expect(decodeChecksum("CRC32", wrong)).toBeUndefined();
  }
});
