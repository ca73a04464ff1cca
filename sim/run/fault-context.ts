// What a fault has to do with.
import type { MasterConnection } from "../../masterd/client/client.ts";
import type { SeededRandom } from "../world/seeded-random.ts";
import type { World } from "../world/world.ts";
import type { Atlas } from "./atlas.ts";
import type { Cluster } from "./cluster.ts";
import type { Plan } from "./plan.ts";

export interface FaultContext {
  world: World;
  cluster: Cluster;
  atlas: Atlas;
  random: SeededRandom;
  plan: Plan;
  /** Faults are over: nothing may go wrong any more. */
  isOver(): boolean;
  /** An operator asks the master for something, from a machine of its own; whatever comes of it. */
  operate(run: (master: MasterConnection) => Promise<unknown>): void;
  /** Runs `undo` after `ms`, or when the faults end. */
  later(ms: number, undo: () => void): void;
}

/** Does it, where it can be done now. What it did, in words; undefined when it could not. */
export type Fault = (context: FaultContext) => string | undefined;
