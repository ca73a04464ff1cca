import { expect, test } from "bun:test";
import { keyEncoding, listingToken, readListingToken } from "./listing-token.ts";

test.each(["a", "dir/", "\u{1F600}\n+ %"])("a token for %p goes on there", (after) => {
  expect(listingToken(after)).toMatch(/^[\w-]+$/);
  expect(readListingToken(listingToken(after))).toBe(after);
});

test.each(["", "a", "not a token!", "YQ==", "_w"])("%p is no token", (token) => {
  expect(() => readListingToken(token)).toThrow("continuation token");
});

test("keys are written as they are, or percent-encoded but for slashes", () => {
  expect(keyEncoding(undefined)("a b/ü")).toBe("a b/ü");
  expect(keyEncoding("url")("a b/ü+%!'()*\n")).toBe("a%20b/%C3%BC%2B%25%21%27%28%29*%0A");
  expect(() => keyEncoding("base64")).toThrow("Invalid Encoding Method");
});
