// A simulator that finds nothing shows nothing: without any one of its safeties the engine has to be caught.
import { expect, test } from "bun:test";
import { isFault } from "./check/violation.ts";
import type { RunOutcome } from "./run/outcome.ts";
import { Pool } from "./run/pool.ts";
import type { RunRequest } from "./run/run-seed.ts";
import { AIMED_SCENARIOS, BROKEN_BUILDS } from "./world/broken-builds.ts";

const SEEDS_MAX = 100;
const BUILD_MS_MAX = 250_000;

/** Runs seeds until one has a violation; that one, or undefined when none of them has. */
async function firstCaught(broken: string): Promise<RunOutcome | undefined> {
  let caught: RunOutcome | undefined;
  function* seeds(): Generator<RunRequest> {
    for (let seed = 1; seed <= SEEDS_MAX && !caught; seed++)
      yield { seed, scenario: AIMED_SCENARIOS[broken] };
  }
  const pool = new Pool({
    jobs: 1,
    broken,
    onOutcome: (outcome) => {
      if (outcome.violations.some(isFault)) caught ??= outcome;
    },
  });
  await pool.run(seeds());
  return caught;
}

for (const broken of Object.keys(BROKEN_BUILDS)) {
  test(
    `a build without ${broken} is caught within ${SEEDS_MAX} seeds`,
    async () => {
      const caught = await firstCaught(broken);
      expect(caught?.violations.length).toBeGreaterThan(0);
    },
    BUILD_MS_MAX,
  );
}
