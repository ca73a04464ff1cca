// What a seed decides before anything runs: how large the cluster is, who uses it how, and what will go wrong.
import type { NetworkOptions } from "../world/network.ts";

export interface NodePlan {
  skewMs: number;
  driftPpm: number;
}

/** When garbage is collected, and when chunks with much of it are compacted. Absent: as the master does by itself. */
export interface GarbagePlan {
  commitMarginMs: number;
  abandonedGraceMs: number;
  compactRatio?: number;
  compactBytesMin?: number;
  compactEveryMs?: number;
}

export interface Plan {
  chunkservers: number;
  clients: number;
  usersPerClient: number;
  thinkMs: number;
  /** How long faults go on while clients work, virtual ms. */
  workMs: number;
  /** Mean time between two faults of a kind of faults.ts, ms; what is not there does not happen. */
  faults: Readonly<Record<string, number>>;
  /** The fault that happens last, so that hardly anything is written over what it does, and how long before the end, ms. */
  finale?: { fault: string; ms: number };
  network: NetworkOptions;
  node(name: string): NodePlan;
  leaseMs: number;
  goneMs: number;
  deleteGraceMs: number;
  garbage: GarbagePlan;
}
