// Every fault of the list, brought about on purpose. A scenario that misses its fault fails as well.
import { expect, test } from "bun:test";
import { describeViolation } from "./check/violation.ts";
import { runSeed } from "./run/run-seed.ts";
import { SCENARIOS } from "./run/scenarios/all.ts";
import { loadRoles } from "./world/roles.ts";

const SCENARIO_MS_MAX = 120_000;

const roles = await loadRoles();

for (const { id, title } of SCENARIOS) {
  test(
    `${id}: ${title}`,
    async () => {
      const { violations, coverage } = await runSeed(roles, { seed: 1, scenario: id });
      expect(violations.map(describeViolation)).toEqual([]);
      expect(Object.keys(coverage).filter((name) => name.startsWith("reached: ")).length).toBeGreaterThan(0);
    },
    SCENARIO_MS_MAX,
  );
}
