// Access tokens whose signature is checked, not remembered, beside the bare Ed25519 that this cannot do without. The two
// take turns, so that whatever else the machine does meanwhile hits both.
import { bounded } from "./bounded.ts";
import { type Check, type CheckResult, checkResult, demand, proves } from "./check.ts";
import type { AuthCloud } from "./cloud.ts";
import { type Cost, costOf, NOTHING, sumOf } from "./cost.ts";
import type { Person } from "./population.ts";

export interface FirstSights {
  tokens: CheckResult;
  /** Signatures of as many bytes, checked without anything around them. */
  signatures: CheckResult;
}

/**
 * All sessions' tokens once by each of as many new services as `seconds` take, `concurrency` at once, since signatures are
 * checked on other threads. Starting the services is not timed.
 */
export async function measureFirstSights(
  { anotherService }: AuthCloud,
  people: readonly Person[],
  { seconds, concurrency }: { seconds: number; concurrency: number },
): Promise<FirstSights> {
  const tokens = people.flatMap(({ sessions }) => sessions);
  const bare = await bareEd25519(tokens[0]!);
  const names = { tokens: "access token, first seen", signatures: "Ed25519 alone" };
  const timed = (name: string, check: Check): Promise<Cost> =>
    costOf(() => bounded(tokens.length, concurrency, (index) => demand(name, check, index)));
  const spent = { tokens: NOTHING, signatures: NOTHING };
  let checks = 0;
  for (; spent.tokens.ms < seconds * 1_000; checks += tokens.length) {
    spent.signatures = sumOf(spent.signatures, await timed(names.signatures, bare));
    const service = await anotherService();
    const check = proves(
      people,
      ({ sessions }) => sessions,
      (token) => service.verify(token),
    );
    spent.tokens = sumOf(spent.tokens, await timed(names.tokens, check));
    await service.close();
  }
  return {
    tokens: checkResult(names.tokens, checks, spent.tokens),
    signatures: checkResult(names.signatures, checks, spent.signatures),
  };
}

/** Over what is signed of `token`. */
async function bareEd25519(token: string): Promise<Check> {
  const { publicKey, privateKey } = await crypto.subtle.generateKey("Ed25519", false, ["sign", "verify"]);
  const signed = new TextEncoder().encode(token.slice(0, token.lastIndexOf(".")));
  const signature = await crypto.subtle.sign("Ed25519", privateKey, signed);
  return () => crypto.subtle.verify("Ed25519", publicKey, signature, signed);
}
