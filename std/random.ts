import { randomBytes } from "node:crypto";

/** A source of randomness. Cores take a `Random`, so that a simulator can seed it. */
export interface Random {
  /** `size` unpredictable bytes. */
  bytes(size: number): Buffer;
  /** A float in [0, 1). */
  float(): number;
}

export const systemRandom: Random = {
  bytes: (size) => randomBytes(size),
  float: () => Math.random(),
};
