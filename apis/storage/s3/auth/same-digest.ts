import { timingSafeEqual } from "node:crypto";

/** Whether two hex digests are equal, in a time that tells nothing of where they differ (S20). */
export function sameDigest(expectedHex: string, givenHex: string): boolean {
  const expected = Buffer.from(expectedHex, "latin1");
  const given = Buffer.from(givenHex, "latin1");
  return expected.length === given.length && timingSafeEqual(expected, given);
}
