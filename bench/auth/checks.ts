// What every request costs before it does anything: who is it, and may they?
import { type Check, type CheckResult, checkResult, demand, proves } from "./check.ts";
import type { AuthCloud } from "./cloud.ts";
import { costOf, NOTHING, sumOf } from "./cost.ts";
import { LAST_TEAM, NO_TEAM, readsAsS3, readsByManyPolicies } from "./decisions.ts";
import type { Person } from "./population.ts";
import { whoami } from "./requests.ts";

/** Checks between two looks at the clock, which would cost as much as a check. */
const RUN = 500;

/** Times each check for `seconds`, one after another. `conditional` is a person whose role has a condition. */
export async function measureChecks(
  { auth, app }: AuthCloud,
  people: readonly Person[],
  conditional: Person,
  seconds: number,
): Promise<CheckResult[]> {
  const owner = people[0]!.id;
  const [own, other] = [auth.principalNamed(people[0]!.name), auth.principalNamed(conditional.name)];
  const tokens = people.flatMap(({ sessions }) => sessions);
  const cases: Record<string, Check> = {
    "access token, seen before": proves(
      people,
      ({ sessions }) => sessions,
      (token) => auth.verify(token),
    ),
    "API token": proves(
      people,
      ({ apiTokens }) => apiTokens,
      (token) => auth.verify(token),
    ),
    "S3 key": proves(
      people,
      ({ accessKeyIds }) => accessKeyIds,
      (id) => auth.find(id)?.principal,
    ),
    "S3 decision, remembered": (index) => readsAsS3(auth, own, owner, `key-${index}`),
    "S3 decision, by a condition": (index) => readsAsS3(auth, other, owner, `key-${index}`),
    "engine, 300 statements, last allows": (index) => readsByManyPolicies(LAST_TEAM, `key-${index}`),
    "engine, 300 statements, none allows": (index) => !readsByManyPolicies(NO_TEAM, `key-${index}`),
    "GET /session, whole": async (index) => (await whoami(app, tokens[index % tokens.length]!)) === 200,
  };
  const results: CheckResult[] = [];
  for (const [name, check] of Object.entries(cases)) results.push(await measure(name, check, seconds));
  return results;
}

async function measure(name: string, check: Check, seconds: number): Promise<CheckResult> {
  let next = 0;
  const run = async (): Promise<void> => {
    for (const end = next + RUN; next < end; next++) await demand(name, check, next);
    // Timers and sockets get their turn: the service would hear of no changes, and then decide nothing.
    await new Promise(setImmediate);
  };
  await run();
  const warmedUp = next;
  let spent = NOTHING;
  while (spent.ms < seconds * 1_000) spent = sumOf(spent, await costOf(run));
  return checkResult(name, next - warmedUp, spent);
}
