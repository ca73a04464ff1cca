import { median } from "../storage/median.ts";
import type { CheckResult } from "./check.ts";
import type { FirstSights } from "./first-sights.ts";
import type { LoginResult } from "./logins.ts";

export interface Report {
  firstSights: FirstSights;
  checks: CheckResult[];
  logins: LoginResult;
}

const NAME_WIDTH = 38;
const RATE_WIDTH = 12;

function line(name: string, rate: number, more: string): string {
  const shown = rate < 1_000 ? rate.toFixed(1) : Math.round(rate).toLocaleString("en");
  return `${name.padEnd(NAME_WIDTH)}${`${shown}/s`.padStart(RATE_WIDTH)}   ${more}`;
}

function checkLine({ name, perSecond, cpuMicros }: CheckResult): string {
  return line(name, perSecond, `${cpuMicros.toFixed(2)} CPU us each`);
}

function ratioLine(name: string, ratio: number): string {
  return `${name.padEnd(NAME_WIDTH)}${ratio.toFixed(2).padStart(RATE_WIDTH)}`;
}

export interface Ratios {
  /** First checks of an access token for one bare Ed25519. */
  tokensPerSignature: number;
  /** Sign-ins for one bare hash: the median of the rounds' ratios, since the machine changes from round to round. */
  loginsPerHash: number;
}

export function ratiosOf({ firstSights, logins }: Report): Ratios {
  const { loginsPerSecond, hashesPerSecond } = logins;
  return {
    tokensPerSignature: firstSights.tokens.perSecond / firstSights.signatures.perSecond,
    loginsPerHash: median(loginsPerSecond.map((rate, round) => rate / hashesPerSecond[round]!)),
  };
}

/** The lines of the table. */
export function reportLines(report: Report): string[] {
  const { firstSights, checks, logins } = report;
  const { loginsPerSecond, hashesPerSecond, p50Ms, p99Ms, maxMs, errors } = logins;
  const { tokensPerSignature, loginsPerHash } = ratiosOf(report);
  const latency = `p50 ${p50Ms.toFixed(0)} ms, p99 ${p99Ms.toFixed(0)} ms, max ${maxMs.toFixed(0)} ms`;
  return [
    checkLine(firstSights.signatures),
    checkLine(firstSights.tokens),
    ratioLine("token, first seen / Ed25519 alone", tokensPerSignature),
    "",
    ...checks.map(checkLine),
    "",
    line("argon2id alone", median(hashesPerSecond), "median of the turns"),
    line("sign-in by password", median(loginsPerSecond), latency),
    ratioLine("sign-in / argon2id alone", loginsPerHash),
    ...Object.entries(errors).map(([code, count]) => `warning: ${count} sign-ins failed: ${code}`),
  ];
}
