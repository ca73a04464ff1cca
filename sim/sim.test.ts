// Some of the seeds, and that a seed is one run. `./skerry sim` runs as many as there is time for.
import { expect, test } from "bun:test";
import { availableParallelism } from "node:os";
import { describeViolation } from "./check/violation.ts";
import type { RunOutcome } from "./run/outcome.ts";
import { Pool } from "./run/pool.ts";
import { runSeed } from "./run/run-seed.ts";
import { loadRoles } from "./world/roles.ts";

const SEEDS_PER_TEST = 50;
/** On a machine that is busy with other tests. */
const MS_PER_SEED_MAX = 10_000;

function told({ seed, violations }: RunOutcome): string[] {
  return violations.map((violation) => `seed ${seed}: ${describeViolation(violation)}`);
}

/** Runs the seeds in child processes, as many at once as there are processors. */
async function outcomesOf(seeds: readonly number[], jobs = availableParallelism()): Promise<RunOutcome[]> {
  const outcomes: RunOutcome[] = [];
  const pool = new Pool({ jobs, onOutcome: (outcome) => void outcomes.push(outcome) });
  await pool.run(seeds.map((seed) => ({ seed })).values());
  return outcomes.sort((a, b) => a.seed - b.seed);
}

for (const first of [1, 1001, 2001, 3001, 4001, 5001]) {
  test(
    `no promise is broken in ${SEEDS_PER_TEST} runs from seed ${first} on`,
    async () => {
      const outcomes = await outcomesOf(Array.from({ length: SEEDS_PER_TEST }, (_, index) => first + index));
      expect(outcomes.flatMap(told)).toEqual([]);
      expect(outcomes).toHaveLength(SEEDS_PER_TEST);
      for (const { coverage } of outcomes) {
        expect(coverage["operations checked"]).toBeGreaterThan(0);
        expect(coverage["keys undecided"]).toBe(0);
      }
    },
    SEEDS_PER_TEST * MS_PER_SEED_MAX,
  );
}

test(
  "a seed has the same trace in another process, and other seeds have others",
  async () => {
    const roles = await loadRoles();
    const seeds = [3, 4, 5];
    const hashes: string[] = [];
    for (const seed of seeds) hashes.push((await runSeed(roles, { seed })).hash);
    const there = await outcomesOf(seeds, 1);
    expect(there.map(({ hash }) => hash)).toEqual(hashes);
    expect(new Set(hashes).size).toBe(3);
  },
  12 * MS_PER_SEED_MAX,
);
