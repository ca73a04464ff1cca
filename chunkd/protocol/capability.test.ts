import { expect, test } from "bun:test";
import { capabilityMatches, signCapability } from "./capability.ts";

const SECRET = "5ec2e7".repeat(8);
const GRANT = {
  handle: 12,
  version: 3,
  replicas: [
    { id: "a", address: "10.0.0.1:1", incarnation: 7 },
    { id: "b", address: "10.0.0.2:1", incarnation: 8 },
  ],
  expiresAt: 1_800_000_000_000,
};

test("a capability holds for what was signed", () => {
  expect(signCapability(SECRET, GRANT).length).toBe(32);
  expect(capabilityMatches(SECRET, structuredClone(GRANT), signCapability(SECRET, GRANT))).toBe(true);
});

test.each([
  ["another chunk", { handle: 13 }],
  ["another version", { version: 4 }],
  ["a later end", { expiresAt: GRANT.expiresAt + 1 }],
  ["another primary", { replicas: [...GRANT.replicas].reverse() }],
  ["fewer replicas", { replicas: GRANT.replicas.slice(0, 1) }],
  ["another start", { replicas: [{ ...GRANT.replicas[0]!, incarnation: 9 }, GRANT.replicas[1]!] }],
  ["another address", { replicas: [{ id: "a", address: "10.0.0.9:1", incarnation: 7 }, GRANT.replicas[1]!] }],
  [
    "fields that run into each other",
    { replicas: [{ id: "a=10", address: ".0.0.1:1", incarnation: 7 }, GRANT.replicas[1]!] },
  ],
])("a capability is not one for %s", (_what, change) => {
  expect(capabilityMatches(SECRET, { ...GRANT, ...change }, signCapability(SECRET, GRANT))).toBe(false);
});

test("a capability of another secret, a cut one, and one that is no bytes are refused", () => {
  const capability = signCapability(SECRET, GRANT);
  expect(capabilityMatches("0".repeat(48), GRANT, capability)).toBe(false);
  expect(capabilityMatches(SECRET, GRANT, capability.subarray(0, 31))).toBe(false);
  expect(capabilityMatches(SECRET, GRANT, capability.toString("hex"))).toBe(false);
  expect(capabilityMatches(SECRET, GRANT, undefined)).toBe(false);
});
