import { expect, test } from "bun:test";
import { formatSize, parseSize } from "./sizes.ts";

test.each([
  ["0", 0],
  ["100", 100],
  ["4KiB", 4096],
  ["64 mib", 64 << 20],
  ["5GiB", 5 * 2 ** 30],
])("%s is %i bytes", (text, bytes) => {
  expect(parseSize(text)).toBe(bytes);
});

test.each(["", "4KB", "-1", "1.5MiB", "6GiB", "NaN"])("%j is refused with an example", (text) => {
  expect(() => parseSize(text)).toThrow(RangeError);
  expect(() => parseSize(text)).toThrow("4KiB");
});

test.each([0, 1, 4096, 5000, 1 << 20, 3 * 2 ** 30, 2 ** 31])(
  "%i bytes are read back from their text",
  (bytes) => {
    expect(parseSize(formatSize(bytes))).toBe(bytes);
  },
);
