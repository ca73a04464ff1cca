// What scripts of scenarios are made of.
import { failed } from "../../workload/answers.ts";
import type { Shared, Weights } from "../../workload/shared.ts";
import type { Member } from "../cluster.ts";
import type { Plan } from "../plan.ts";
import { LivenessError, type Simulation } from "../simulation.ts";

const WEIGHTS: Weights = {
  put: 30,
  putIf: 5,
  get: 30,
  head: 3,
  delete: 8,
  deleteMany: 1,
  copy: 4,
  list: 5,
  startUpload: 2,
  putPart: 3,
  complete: 2,
  abort: 1,
};

/** Exact clocks, a calm network and no faults of its own. */
export function steady(plan: Plan): Plan {
  return {
    ...plan,
    chunkservers: 3,
    clients: 2,
    usersPerClient: 3,
    thinkMs: 400,
    faults: {},
    leaseMs: 15_000,
    goneMs: 10_000,
    deleteGraceMs: 20_000,
    garbage: { commitMarginMs: 60_000, abandonedGraceMs: 90_000 },
    node: () => ({ skewMs: 0, driftPpm: 0 }),
  };
}

export function small(): Partial<Shared> {
  const sizes = { block: 0.1, record: 0.03, records: 0, exclusive: 0, wholeChunk: 0 };
  return { weights: { ...WEIGHTS }, sizes, slow: 0, leave: 0 };
}

/** Puts that were answered with success so far. */
export function acknowledged(simulation: Simulation): number {
  return simulation.shared.history.entries.filter(
    ({ request, answer }) => request.kind === "put" && answer?.is === "done",
  ).length;
}

/** Operations of a kind that have their answer. */
export function answered(simulation: Simulation, kind: string): number {
  return simulation.shared.history.entries.filter(
    ({ request, answer }) => request.kind === kind && answer !== undefined && answer.is !== "unknown",
  ).length;
}

export function underWay(simulation: Simulation, kind: string): number {
  return simulation.shared.history.entries.filter(
    ({ request, answer }) => request.kind === kind && answer === undefined,
  ).length;
}

/** Ends the members now and starts them `ms` later. */
export async function restart(
  simulation: Simulation,
  members: readonly Member[],
  how: "crash" | "powerLoss",
  ms: number,
): Promise<void> {
  simulation.note(`FAULT ${how} of ${members.map(({ name }) => name).join(", ")}`);
  for (const member of members) member.stop(how);
  await simulation.world.pass(ms);
  for (const member of members) member.start();
  await simulation.within(30_000, "who was restarted serves", () => members.every(({ isReady }) => isReady));
}

/** Lets objects come to rest in sealed chunks: idle writers give their chunks back. */
export async function coldObjects(simulation: Simulation): Promise<void> {
  const sealed = () => simulation.coverage.counts["log of the master: sealed a chunk"] ?? 0;
  await simulation.waitFor(60_000, () => acknowledged(simulation) > 20 && sealed() > 0);
  for (const member of simulation.cluster.clients) await restart(simulation, [member], "crash", 100);
  await simulation.world.pass(simulation.options.plan.leaseMs + 5_000);
  // What follows takes minutes: the clients only keep it from being quiet.
  simulation.shared.thinkMs *= 8;
}

/** Looks every second, for `ms` at most, whether `holds`: for what is costly to look at. */
/**
 * What an operator does, again where it fails: a connection from before a restart may break on its first use, as it would for
 * a person.
 */
export async function operate<T>(simulation: Simulation, what: string, run: () => Promise<T>): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await simulation.within(20_000, what, run());
    } catch (error) {
      if (attempt === OPERATOR_ATTEMPTS_MAX || error instanceof LivenessError) throw error;
      failed(error);
    }
  }
}

const OPERATOR_ATTEMPTS_MAX = 5;

export async function poll(simulation: Simulation, ms: number, holds: () => boolean): Promise<boolean> {
  const until = simulation.world.time + ms;
  while (!holds()) {
    if (simulation.world.time >= until) return false;
    await simulation.world.pass(1_000);
  }
  return true;
}
