import type { SeededRandom } from "../world/seeded-random.ts";
import { FAULT_NAMES, type FaultName } from "./faults.ts";
import type { GarbagePlan, Plan } from "./plan.ts";

const DAY_MS = 24 * 60 * 60_000;
/** Faults of one run last so long together: more only makes it slower. */
const WORK_MS = { min: 15_000, max: 45_000 };
/** Operations in one run, about. */
const OPERATIONS = [50, 200, 200, 500];
/** Kinds of faults in one run. */
const KINDS_MAX = 6;

export function drawPlan(random: SeededRandom): Plan {
  const kinds = random.shuffle(FAULT_NAMES).slice(0, random.int(0, KINDS_MAX));
  const workMs = random.between(WORK_MS.min, WORK_MS.max);
  const faults: Record<string, number> = {};
  for (const kind of kinds) faults[kind] = random.between(2_000, workMs);
  const clients = random.int(1, 3);
  const usersPerClient = random.int(1, 4);
  const clocks = random.pick(["exact", "skewed", "wild"] as const);
  const perNode = random.fork("clocks");
  return {
    chunkservers: random.pick([3, 3, 3, 4, 5]),
    clients,
    usersPerClient,
    thinkMs: (workMs * clients * usersPerClient) / random.pick(OPERATIONS),
    workMs,
    faults,
    network: {
      delayMeanMs: random.pick([0.1, 0.1, 1, 10]),
      loss: random.chance(0.2) ? random.between(0, 0.02) : 0,
      split: random.pick([0, 0.1, 0.5]),
      merge: random.pick([0, 0.1, 0.5]),
    },
    node(name) {
      const own = perNode.fork(name);
      const skewMs = { exact: 0, skewed: own.between(-500, 500), wild: own.between(-DAY_MS, DAY_MS) }[clocks];
      return { skewMs, driftPpm: clocks === "exact" ? 0 : own.between(-200, 200) };
    },
    leaseMs: random.pick([5_000, 15_000, 60_000, 60_000]),
    goneMs: random.pick([10_000, 30_000]),
    deleteGraceMs: random.pick([500, 20_000]),
    garbage: drawGarbage(random.fork("garbage")),
    finale: drawFinale(random.fork("finale")),
  };
}

/** Faults whose harm to one object is gone with the next write of it. */
const FINALES: readonly FaultName[] = [
  "late fences",
  "power loss of everything",
  "power loss of all chunkservers",
  "crash two chunkservers",
];

function drawFinale(random: SeededRandom): Plan["finale"] {
  if (random.chance(0.5)) return undefined;
  return { fault: random.pick(FINALES), ms: random.between(100, 2_000) };
}

/** Compaction waits for the commit margin, which is short where it is to meet the faults. */
function drawGarbage(random: SeededRandom): GarbagePlan {
  const patient = { commitMarginMs: 60_000, abandonedGraceMs: 90_000 };
  const quick = { commitMarginMs: 2_000, abandonedGraceMs: 10_000 };
  const margins = random.chance(0.5) ? quick : patient;
  if (random.chance(0.5)) return margins;
  return { ...margins, compactRatio: 0.05, compactBytesMin: 500, compactEveryMs: random.pick([500, 4_000]) };
}
