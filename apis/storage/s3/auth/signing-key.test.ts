import { expect, test } from "bun:test";
import { createHmac } from "node:crypto";
import { deriveSigningKey, SigningKeyCache } from "./signing-key.ts";

const SCOPE = { date: "20120215", region: "us-east-1" };

test("the key is derived as four nested HMACs", () => {
  const hmac = (key: string | Uint8Array, text: string) => createHmac("sha256", key).update(text).digest();
  const expected = hmac(hmac(hmac(hmac("AWS4secret", "20120215"), "us-east-1"), "s3"), "aws4_request");
  expect(deriveSigningKey("secret", SCOPE).equals(expected)).toBe(true);
});

test("the cache is bounded, drops the least recently used and never serves a replaced secret", () => {
  const cache = new SigningKeyCache(2);
  const first = cache.find("a", "s", SCOPE);
  cache.find("b", "s", SCOPE);
  expect(cache.find("a", "s", SCOPE)).toBe(first);
  cache.find("c", "s", SCOPE);
  expect(cache.size).toBe(2);
  expect(cache.find("a", "s", SCOPE)).toBe(first);
  const replaced = cache.find("a", "new", SCOPE);
  expect(replaced.equals(deriveSigningKey("new", SCOPE))).toBe(true);
  expect(cache.find("a", "new", { ...SCOPE, region: "eu" }).equals(replaced)).toBe(false);
});
