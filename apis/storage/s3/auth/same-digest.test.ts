import { expect, test } from "bun:test";
import { sameDigest } from "./same-digest.ts";

const DIGEST = "0123456789abcdef".repeat(4);

test("S20: a digest is the same only where every digit is, and one of another length is no error", () => {
  expect(sameDigest(DIGEST, DIGEST)).toBe(true);
  for (let at = 0; at < DIGEST.length; at++) {
    const other = DIGEST[at] === "f" ? "0" : "f";
    expect([at, sameDigest(DIGEST, DIGEST.slice(0, at) + other + DIGEST.slice(at + 1))]).toEqual([at, false]);
  }
  for (const other of ["", DIGEST.slice(1), `${DIGEST}0`, DIGEST.toUpperCase(), "\u0130".repeat(64)]) {
    expect(sameDigest(DIGEST, other)).toBe(false);
  }
});
