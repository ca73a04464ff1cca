import { expect, test } from "bun:test";
import { type ChecksumAlgorithm, createChecksum } from "./checksum.ts";
import { combineCrc, compositeChecksum, fullObjectChecksum } from "./combine.ts";

function base64(algorithm: ChecksumAlgorithm, data: Uint8Array): string {
  const checksum = createChecksum(algorithm);
  checksum.update(data);
  return checksum.digest().toString("base64");
}

const DATA = Buffer.from(Array.from({ length: 100_000 }, (_, i) => (i * 131 + (i >> 8)) & 0xff));

for (const algorithm of ["CRC32", "CRC32C", "CRC64NVME"] as const) {
  test(`${algorithm} of two pieces combines to that of the whole, wherever it is cut`, () => {
    for (const cut of [0, 1, 7, 255, 256, 4096, 65_537, 99_999, 100_000]) {
      const [a, b] = [DATA.subarray(0, cut), DATA.subarray(cut)];
      const combined = combineCrc(algorithm, base64(algorithm, a), base64(algorithm, b), b.length);
      expect(combined).toBe(base64(algorithm, DATA));
    }
  });

  test(`${algorithm} of many parts combines to that of the object; another order does not`, () => {
    const parts = [];
    for (let at = 0; at < DATA.length; at += 7000) {
      const part = DATA.subarray(at, at + 7000);
      parts.push({ checksum: base64(algorithm, part), length: part.length });
    }
    expect(fullObjectChecksum(algorithm, parts)).toBe(base64(algorithm, DATA));
    expect(fullObjectChecksum(algorithm, [...parts].reverse())).not.toBe(base64(algorithm, DATA));
    expect(fullObjectChecksum(algorithm, parts.slice(0, 1))).toBe(parts[0]!.checksum);
  });

  test(`${algorithm}: a length of terabytes is a matter of its logarithm`, () => {
    const zeros = { checksum: base64(algorithm, Buffer.alloc(2 ** 20)), length: 2 ** 20 };
    let doubled = zeros;
    for (let i = 0; i < 22; i++) {
      const checksum = combineCrc(algorithm, doubled.checksum, doubled.checksum, doubled.length);
      doubled = { checksum, length: doubled.length * 2 };
    }
    expect(doubled.length).toBe(2 ** 42);
    const half = { checksum: doubled.checksum, length: doubled.length };
    const two = fullObjectChecksum(algorithm, [half, zeros]);
    expect(fullObjectChecksum(algorithm, [zeros, half])).toBe(two);
  });
}

test("a composite checksum is that of the raw checksums, and counts the parts", () => {
  const parts = [DATA.subarray(0, 5000), DATA.subarray(5000)];
  for (const algorithm of ["CRC32", "CRC32C", "SHA1", "SHA256"] as const) {
    const checksums = parts.map((part) => base64(algorithm, part));
    const raw = Buffer.concat(checksums.map((checksum) => Buffer.from(checksum, "base64")));
    expect(compositeChecksum(algorithm, checksums)).toBe(`${base64(algorithm, raw)}-2`);
  }
});
