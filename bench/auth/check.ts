// One check of a token, a key or a permission, and what it costs.
import type { Cost } from "./cost.ts";
import type { Person } from "./population.ts";

export interface CheckResult {
  name: string;
  checks: number;
  seconds: number;
  perSecond: number;
  /** CPU time of this process for one check. */
  cpuMicros: number;
}

/** Tells whether its answer was the right one. */
export type Check = (index: number) => boolean | Promise<boolean>;

/** Whether each credential proves its person; all of everybody's in turn. */
export function proves(
  people: readonly Person[],
  credentialsOf: (person: Person) => readonly string[],
  prove: (credential: string) => Promise<{ userId: string } | undefined> | { userId: string } | undefined,
): Check {
  const all = people.flatMap((person) => credentialsOf(person).map((credential) => ({ credential, person })));
  return async (index) => {
    const { credential, person } = all[index % all.length]!;
    return (await prove(credential))?.userId === person.id;
  };
}

/** Rejects where the answer is wrong. */
export async function demand(name: string, check: Check, index: number): Promise<void> {
  const right = check(index);
  if (!(typeof right === "boolean" ? right : await right)) {
    throw new Error(`${name}: a wrong answer while it was timed`);
  }
}

export function checkResult(name: string, checks: number, { ms, cpuMicros }: Cost): CheckResult {
  const seconds = ms / 1_000;
  return { name, checks, seconds, perSecond: checks / seconds, cpuMicros: cpuMicros / checks };
}
