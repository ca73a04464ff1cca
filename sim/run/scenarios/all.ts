import { UsageError } from "../../../std/config.ts";
import { CLUSTER_SCENARIOS } from "./cluster.ts";
import { DATA_SCENARIOS } from "./data.ts";
import { MASTER_SCENARIOS } from "./master.ts";
import type { Scenario } from "./scenario.ts";

/** In the order of their ids. */
export const SCENARIOS: readonly Scenario[] = [
  ...DATA_SCENARIOS,
  ...CLUSTER_SCENARIOS,
  ...MASTER_SCENARIOS,
].sort((a, b) => (a.id < b.id ? -1 : 1));

/** Throws {@link UsageError} when there is no such scenario. */
export function findScenario(id: string): Scenario {
  const found = SCENARIOS.find((scenario) => scenario.id === id);
  if (!found)
    throw new UsageError(
      `there is no scenario ${id}; there are ${SCENARIOS.map((one) => one.id).join(", ")}`,
    );
  return found;
}
