// Faults of the cluster and of the master: F11 to F15, F20 to F29.
import type { SeededRandom } from "../../world/seeded-random.ts";
import { chunkNames, type Member } from "../cluster.ts";
import { wipeDisk } from "../faults.ts";
import type { Simulation } from "../simulation.ts";
import { directed, type Scenario } from "./scenario.ts";
import { acknowledged, answered, coldObjects, poll, restart, underWay } from "./steps.ts";

const DAY_MS = 24 * 60 * 60_000;
const REPAIR_WITHIN_MS = 120_000;

async function wildClocks(simulation: Simulation): Promise<void> {
  const [early, late] = simulation.cluster.chunkservers as [Member, Member];
  for (const jump of [DAY_MS, -2 * DAY_MS]) {
    const before = acknowledged(simulation);
    early.node.clock.jump(jump);
    late.node.clock.jump(-jump);
    for (const { node } of [early, late]) node.disk.faults.next("name", /chunks/, { error: "EMFILE" });
    await simulation.waitFor(20_000, () => acknowledged(simulation) > before + 10);
    simulation.reached("puts are acknowledged with clocks a day off", acknowledged(simulation) > before + 10);
  }
}

async function emptyDisk(simulation: Simulation, random: SeededRandom): Promise<void> {
  await coldObjects(simulation);
  const member = random.pick(simulation.cluster.chunkservers);
  const held = chunkNames(member).length;
  simulation.reached("the disk had chunks", held > 0 && simulation.atlas.mayWipe(member));
  member.stop("crash");
  member.node.disk.replaceByEmpty();
  member.start();
  const isRefilled = await poll(simulation, REPAIR_WITHIN_MS, () => chunkNames(member).length > 0);
  simulation.reached("the empty disk is filled again", isRefilled);
  simulation.shared.thinkMs /= 8;
  for (const primary of random.shuffle(simulation.cluster.chunkservers))
    await loseWhatIsUnderWay(simulation, primary);
}

/** Loses a disk while what its chunkserver writes is slow to get to the others: nothing was answered that it alone had. */
async function loseWhatIsUnderWay(simulation: Simulation, member: Member): Promise<void> {
  const { world, cluster, atlas } = simulation;
  await poll(simulation, REPAIR_WITHIN_MS, () => atlas.mayWipe(member));
  const isBusy = await simulation.waitFor(20_000, () => underWay(simulation, "put") > 0);
  simulation.reached("puts were under way shortly before the disk was lost", isBusy);
  for (const { name } of cluster.chunkservers) {
    if (name !== member.name) world.network.clog(member.name, name, 1_500);
  }
  await world.pass(1_000);
  member.stop("crash");
  wipeDisk(atlas, member);
  await restart(simulation, [member], "crash", 1_000);
}

/** Away for longer than its replicas count, while objects are deleted and overwritten. */
async function longAway(simulation: Simulation, random: SeededRandom): Promise<void> {
  await coldObjects(simulation);
  const member = random.pick(simulation.cluster.chunkservers);
  const held = new Set(chunkNames(member));
  const before = answered(simulation, "delete");
  await restart(simulation, [member], "crash", 150_000);
  simulation.reached("objects were deleted meanwhile", answered(simulation, "delete") > before);
  const others = simulation.cluster.chunkservers.filter((other) => other !== member);
  const isStale = [...held].some((name) => others.every((other) => !chunkNames(other).includes(name)));
  simulation.reached("it came back with chunks that nobody else has any more", isStale);
}

async function flappingDuringRepair(simulation: Simulation): Promise<void> {
  const { chunkservers } = simulation.cluster;
  await coldObjects(simulation);
  const lost = chunkservers.find((member) => simulation.atlas.mayWipe(member))!;
  lost.stop("crash");
  lost.node.disk.replaceByEmpty();
  await simulation.world.pass(simulation.options.plan.goneMs + 2_000);
  lost.start();
  const second = chunkservers.find((member) => member !== lost)!;
  for (let round = 0; round < 5; round++) {
    await restart(simulation, [round % 2 === 0 ? lost : second], "crash", 700);
    await simulation.world.pass(500);
  }
  const isRefilled = await poll(simulation, REPAIR_WITHIN_MS, () => chunkNames(lost).length > 0);
  simulation.reached("repair went on between two failures", isRefilled);
}

async function joinAndDrain(simulation: Simulation): Promise<void> {
  const { cluster } = simulation;
  await coldObjects(simulation);
  cluster.addChunkserver("c9").start();
  const joined = cluster.chunkservers.at(-1)!;
  await simulation.within(10_000, "a new chunkserver serves", () => joined.isReady);
  const leaving = cluster.chunkservers[0]!;
  const { client } = simulation.running.get(cluster.clients[0]!.name)!;
  const drained = client.master.drainChunkserver({ id: leaving.name });
  await simulation.within(20_000, "the master takes a drain", drained);
  const isFilled = await poll(simulation, 300_000, () => chunkNames(joined).length > 0);
  simulation.reached("the new chunkserver has taken over", isFilled);
  const back = client.master.undrainChunkserver({ id: leaving.name });
  await simulation.within(20_000, "the master takes a drain back", back);
}

/** Kills the master at events of its own, whatever they are: each run has other ones. */
async function killAtEachStep(simulation: Simulation, random: SeededRandom): Promise<void> {
  const { master } = simulation.cluster;
  let kills = 0;
  for (let round = 0; round < 15; round++) {
    await simulation.waitFor(10_000, () => underWay(simulation, "put") > 0);
    const steps = random.int(1, 25);
    const happens = (event: string, fields: readonly unknown[]): boolean =>
      fields.includes(master.name) && ["write", "sync", "arrive", "timer", "read"].includes(event);
    for (let step = 0; step < steps; step++) {
      await simulation.within(30_000, "the master does something", simulation.next(happens));
    }
    kills++;
    await restart(simulation, [master], random.chance(0.5) ? "crash" : "powerLoss", 300);
  }
  simulation.reached("the master was killed in the middle of its work", kills === 15);
}

/** A flipped bit in the middle of the journal: nothing is served, and nothing is deleted, until it is put right. */
async function damagedJournal(simulation: Simulation): Promise<void> {
  const { cluster, world } = simulation;
  const { master, chunkservers } = cluster;
  await simulation.waitFor(30_000, () => acknowledged(simulation) > 30);
  master.stop("crash");
  const [{ path, size }] = master.node.disk.list(/journal\/.*\.log$/) as [{ path: string; size: number }];
  const sizes = (): number => chunkservers.reduce((sum, member) => sum + chunkNames(member).length, 0);
  const before = sizes();
  const at = Math.floor(size / 2);
  const whole = Buffer.from(master.node.disk.contentOf(path));
  master.node.disk.flipBit(path, at);
  master.start();
  const isServing = await simulation.waitFor(10_000, () => master.isReady);
  simulation.reached("a master with a damaged journal does not serve", !isServing);
  await world.pass(30_000);
  simulation.reached("and nothing is deleted meanwhile", sizes() >= before);
  master.stop("crash");
  master.node.disk.put(path, whole);
  master.start();
}

/** Its chunkservers cannot reach the master, nor it them; clients reach both. */
async function massLoss(simulation: Simulation): Promise<void> {
  const { cluster, world, options, coverage } = simulation;
  await coldObjects(simulation);
  const copies = () => coverage.counts["log of the master: made a replica"] ?? 0;
  const before = copies();
  for (const { name } of cluster.chunkservers) world.network.partition(cluster.master.name, name);
  await world.pass(options.plan.goneMs * 2);
  for (const { name } of cluster.chunkservers) world.network.mend(cluster.master.name, name);
  await world.pass(20_000);
  simulation.reached("the master lost sight of all of them for long", copies() >= before);
  const storm = copies() - before;
  if (storm <= STORM_COPIES_MAX) return;
  simulation.violation({
    promise: "P7",
    what: `${storm} replicas were made after a switch came back`,
    detail: [],
  });
}

/** Chunks that were being written when the switch went away may lack a replica. */
const STORM_COPIES_MAX = 6;

async function partitions(simulation: Simulation): Promise<void> {
  for (const fault of [
    "partition of two",
    "isolation",
    "split",
    "flapping",
    "clog",
    "partition of two",
  ] as const) {
    simulation.nemesis.inject(fault);
    await simulation.world.pass(6_000);
  }
  simulation.reached(
    "networks were parted",
    (simulation.faults.isolation ?? 0) + (simulation.faults.split ?? 0) === 2,
  );
}

async function clocksOfMasterAndClients(simulation: Simulation, random: SeededRandom): Promise<void> {
  const { master, clients } = simulation.cluster;
  for (let round = 0; round < 10; round++) {
    random.pick([master, ...clients]).node.clock.jump(random.between(-DAY_MS, DAY_MS));
    const before = acknowledged(simulation);
    await simulation.waitFor(10_000, () => acknowledged(simulation) > before + 3);
  }
  simulation.reached("overwrites went on while clocks jumped", acknowledged(simulation) > 30);
}

async function pausedMaster(simulation: Simulation): Promise<void> {
  const { cluster, world, options } = simulation;
  for (let round = 0; round < 2; round++) {
    await simulation.waitFor(20_000, () => acknowledged(simulation) > 5 * (round + 1));
    cluster.master.node.pause();
    await world.pass(options.plan.leaseMs * 2);
    cluster.master.node.resume();
    await world.pass(5_000);
  }
  const sealed = simulation.coverage.counts["log of the master: sealed a chunk"] ?? 0;
  simulation.reached("leases ended while the master slept", sealed > 0);
}

async function leaseEndsDuringAppends(simulation: Simulation, random: SeededRandom): Promise<void> {
  const { cluster, world, options } = simulation;
  for (let round = 0; round < 4; round++) {
    await simulation.waitFor(10_000, () => underWay(simulation, "put") > 0);
    const client = random.pick(cluster.clients);
    world.network.clog(client.name, cluster.master.name, options.plan.leaseMs * 1.3);
    const paused = random.pick(cluster.chunkservers);
    paused.node.pause();
    await world.pass(options.plan.leaseMs * random.between(0.8, 1.2));
    paused.node.resume();
    await world.pass(options.plan.leaseMs);
  }
  const sealed = simulation.coverage.counts["log of the master: sealed a chunk"] ?? 0;
  simulation.reached("chunks were sealed because their lease was over", sealed > 1);
  for (let round = 0; round < 6; round++) {
    await simulation.waitFor(10_000, () => underWay(simulation, "put") > 0);
    simulation.nemesis.inject("late fences");
    await world.pass(random.between(1_000, 4_000));
  }
}

async function restartAndList(simulation: Simulation): Promise<void> {
  for (let round = 0; round < 5; round++) {
    const before = acknowledged(simulation);
    await simulation.waitFor(20_000, () => acknowledged(simulation) > before + 10);
    await restart(simulation, [simulation.cluster.master], "powerLoss", 500);
    const { worker } = simulation.running.get(simulation.cluster.clients[0]!.name)!;
    const shown = await simulation.within(
      10_000,
      "a listing ends right after a start",
      worker.list("", undefined, 3),
    );
    simulation.reached("a listing was made right after a start", shown !== undefined);
  }
}

export const CLUSTER_SCENARIOS: Scenario[] = [
  directed("F11", "chunkservers a day early and late, and out of descriptors", wildClocks),
  directed("F12", "a chunkserver comes back with an empty disk", emptyDisk),
  directed("F13", "a chunkserver comes back after a long time with what was deleted meanwhile", longAway),
  directed("F14", "chunkservers flap while replicas are made again", flappingDuringRepair),
  directed("F15", "a chunkserver joins and another one is drained", joinAndDrain),
  directed("F20", "kill the master at every step", killAtEachStep),
  directed("F21", "a flipped bit in the middle of the journal", damagedJournal),
  directed("F23", "the master sleeps for twice the lease", pausedMaster),
  directed("F25", "partitions of every kind", partitions),
  directed("F26", "clocks of master and clients jump", clocksOfMasterAndClients),
  directed("F27", "leases end in the middle of appends", leaseEndsDuringAppends, ({ plan }) => {
    plan.leaseMs = 5_000;
  }),
  directed("F28", "the master starts again, and lists at once", restartAndList),
  directed("F29", "all chunkservers vanish for the master at once", massLoss),
];
