import type { MasterOptions } from "../../../masterd/server/start.ts";
import type { Shared } from "../../workload/shared.ts";
import type { SeededRandom } from "../../world/seeded-random.ts";
import type { Plan } from "../plan.ts";
import type { Simulation } from "../simulation.ts";
import { small, steady } from "./steps.ts";

/** A run's own course, from what its seed has drawn. */
export interface Shape {
  plan: Plan;
  master?: Partial<MasterOptions>;
  workload?: Partial<Shared>;
  script?: (simulation: Simulation) => Promise<void>;
}

/** A fault of the list of faults that the engine has to survive, brought about on purpose. */
export interface Scenario {
  /** As in docs/faults.md. */
  id: string;
  title: string;
  shape(plan: Plan, random: SeededRandom): Shape;
}

type Script = (simulation: Simulation, random: SeededRandom) => Promise<void>;

/** A scenario on three chunkservers under a steady mix of small objects; `change` makes something else of that. */
export function directed(
  id: string,
  title: string,
  script: Script,
  change: (shape: Shape & { workload: Partial<Shared> }) => void = () => {},
): Scenario {
  return {
    id,
    title,
    shape(plan, random) {
      const run = (simulation: Simulation): Promise<void> => script(simulation, random);
      const shape = { plan: steady(plan), workload: small(), script: run };
      change(shape);
      return shape;
    },
  };
}
