// What all clients of a run have in common, and the words they use.
import type { Condition as MasterCondition } from "../../masterd/protocol/messages.ts";
import type { Condition, History } from "../check/history.ts";
import type { Violation } from "../check/violation.ts";
import type { SeededRandom } from "../world/seeded-random.ts";
import type { Keys } from "./keys.ts";
import type { SizeMix } from "./sizes.ts";

export const BUCKET = "bucket";

/** What all clients of a run share. */
export interface Shared {
  history: History;
  keys: Keys;
  sizes: SizeMix;
  weights: Weights;
  /** Chances of slow and of vanishing users. */
  slow: number;
  leave: number;
  thinkMs: number;
  /** Bytes put so far. */
  bytesPut: number;
  violations: Violation[];
  /** Failures by operation and code, for the report. */
  failures: Map<string, number>;
  isOver: boolean;
  /** Tells that something worth reaching was reached. */
  count(what: string): void;
}

export const OPERATIONS = [
  "put",
  "putIf",
  "get",
  "head",
  "delete",
  "deleteMany",
  "copy",
  "list",
  "startUpload",
  "putPart",
  "complete",
  "abort",
] as const;
export type OperationName = (typeof OPERATIONS)[number];
export type Weights = Record<OperationName, number>;

/** Swarm: each run has its own mix, and leaves some kinds out altogether. */
export function drawWeights(random: SeededRandom): Weights {
  const usual: Weights = {
    put: 30,
    putIf: 8,
    get: 25,
    head: 6,
    delete: 8,
    deleteMany: 2,
    copy: 5,
    list: 8,
    startUpload: 3,
    putPart: 5,
    complete: 4,
    abort: 1,
  };
  for (const name of OPERATIONS) {
    if (name !== "put" && name !== "get" && random.chance(0.2)) usual[name] = 0;
    else usual[name] *= random.between(0.3, 1.7);
  }
  return usual;
}

/** The identity of a value: an upload may become several, one for each list of parts. */
export function identityOf(write: string, etag: string): string {
  return write.startsWith("u-") ? `${write}:${etag}` : write;
}

export function conditionOf(condition: Condition | undefined): MasterCondition | undefined {
  if (!condition) return undefined;
  return {
    ifMatch: condition.ifMatch === undefined ? undefined : [condition.ifMatch],
    ifNoneMatch: condition.ifNoneMatch ? ["*"] : undefined,
  };
}
