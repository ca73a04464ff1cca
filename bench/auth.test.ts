import { expect, test } from "bun:test";
import { runBench } from "./testing/run-bench.ts";

interface Printed {
  benchmark: string;
  ratios: { tokensPerSignature: number; loginsPerHash: number };
  firstSights: { tokens: { perSecond: number }; signatures: { perSecond: number } };
  checks: { perSecond: number }[];
  logins: { loginsPerSecond: number[]; hashesPerSecond: number[]; errors: object };
}

test("bench auth checks answers, times each case for a moment, and every figure comes out above zero", async () => {
  const { code, stdout, stderr } = await runBench("auth", "--smoke", "--json");
  expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
  const { benchmark, ratios, firstSights, checks, logins } = JSON.parse(stdout) as Printed;
  expect([benchmark, checks.length, logins.errors]).toEqual(["auth", 8, {}]);
  const rates = [firstSights.tokens, firstSights.signatures, ...checks].map(({ perSecond }) => perSecond);
  const all = [...rates, ...logins.loginsPerSecond, ...logins.hashesPerSecond];
  expect(all).toHaveLength(20);
  expect(Math.min(...all)).toBeGreaterThan(0);
  const { tokens, signatures } = firstSights;
  expect(ratios.tokensPerSignature).toBeCloseTo(tokens.perSecond / signatures.perSecond, 6);
  const roundRatios = logins.loginsPerSecond.map((rate, round) => rate / logins.hashesPerSecond[round]!);
  expect(roundRatios).toContain(ratios.loginsPerHash);
}, 180_000);
