// From a seed and perhaps a scenario's name to what came of it.
import type { Roles } from "../world/roles.ts";
import { SeededRandom } from "../world/seeded-random.ts";
import { drawPlan } from "./draw-plan.ts";
import type { RunOutcome } from "./outcome.ts";
import { findScenario } from "./scenarios/all.ts";
import { Simulation } from "./simulation.ts";
import { verify } from "./verify.ts";

export interface RunRequest {
  seed: number;
  scenario?: string;
  verbose?: boolean;
  print?: (line: string) => void;
}

/** Runs one seed to its end. Throws only for a scenario that does not exist. */
export async function runSeed(roles: Roles, request: RunRequest): Promise<RunOutcome> {
  const { seed, scenario } = request;
  const plan = drawPlan(new SeededRandom(`plan/${seed}`));
  const shaped =
    scenario === undefined
      ? { plan }
      : findScenario(scenario).shape(plan, new SeededRandom(`${scenario}/${seed}`));
  return await new Simulation({ ...request, ...shaped, roles, verify }).run();
}
