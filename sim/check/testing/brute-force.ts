// Linearizability by trying every order: slow, and too simple to be wrong.
import { allows, type RegisterOperation, type State } from "../register.ts";

export function isLinearizable(operations: readonly RegisterOperation[], state: State = null): boolean {
  if (operations.every(({ end }) => end === undefined)) return true;
  const earliestEnd = Math.min(...operations.map(({ end }) => end ?? Number.POSITIVE_INFINITY));
  return operations.some((one) => {
    if (one.start > earliestEnd || !allows(one.requires, state)) return false;
    const others = operations.filter((other) => other !== one);
    return isLinearizable(others, one.sets === undefined ? state : one.sets);
  });
}
