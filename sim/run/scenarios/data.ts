// Faults of the data plane: F01 to F10, F16 to F19, F39.
import { parseChunk } from "../../check/chunk-file.ts";
import { Keys } from "../../workload/keys.ts";
import { SeededRandom } from "../../world/seeded-random.ts";
import { CHUNK_DIRECTORY, chunkFile, chunkNames, type Member } from "../cluster.ts";
import type { Simulation } from "../simulation.ts";
import { directed, type Scenario } from "./scenario.ts";
import { acknowledged, answered, coldObjects, poll, restart, underWay } from "./steps.ts";

/** Readers have hardly any time between a deletion and the end of the bytes. */
const QUICK_GARBAGE = { commitMarginMs: 3_000, abandonedGraceMs: 10_000, deleteGraceMs: 1_000 };

const ofChunk = (fields: readonly unknown[], node: string): boolean =>
  fields[0] === node && String(fields[1]).startsWith(CHUNK_DIRECTORY);

/** How much of a chunk a member's disk holds, without a gap. */
function heldLength(member: Member, name: string): number {
  const bytes = chunkFile(member, name);
  return bytes ? (parseChunk(bytes)?.length ?? 0) : 0;
}

async function killEachPosition(simulation: Simulation): Promise<void> {
  for (const member of simulation.cluster.chunkservers) {
    const writes = (event: string, fields: readonly unknown[]): boolean =>
      event === "write" && ofChunk(fields, member.name) && underWay(simulation, "put") > 0;
    await simulation.within(20_000, `${member.name} writes for a put`, simulation.next(writes));
    simulation.reached("a chunkserver is killed while a put is under way", underWay(simulation, "put") > 0);
    await restart(simulation, [member], "crash", 3_000);
  }
}

async function killTwoAfterAck(simulation: Simulation): Promise<void> {
  await simulation.waitFor(20_000, () => acknowledged(simulation) > 20);
  const [first, second] = simulation.cluster.chunkservers as [Member, Member];
  const before = answered(simulation, "get");
  const since = simulation.world.time;
  await restart(simulation, [first, second], "crash", 20_000);
  simulation.reached(
    "reads were answered while two of three were away",
    answered(simulation, "get") > before,
  );
  const slowest = simulation.shared.history.entries.filter(
    ({ startMs, endMs }) => startMs >= since && endMs !== undefined,
  );
  for (const { request, startMs, endMs, client } of slowest) {
    if (endMs! - startMs < FAIL_WITHIN_MS) continue;
    const what = `${client}'s ${request.kind} took ${Math.round(endMs! - startMs)} ms while two chunkservers were away`;
    simulation.violation({ promise: "P7", what, detail: [] });
  }
}

/** A segment is tried for 25 s, a record for 15 s, the master for 10 s. */
const FAIL_WITHIN_MS = 40_000;

async function onlyTheLaggardIsLeft(simulation: Simulation): Promise<void> {
  const { cluster, world } = simulation;
  const [first, second, laggard] = cluster.chunkservers as [Member, Member, Member];
  await simulation.waitFor(20_000, () => acknowledged(simulation) > 5);
  for (const { name } of [first, second]) world.network.partition(name, laggard.name);
  const before = acknowledged(simulation);
  await simulation.waitFor(30_000, () => acknowledged(simulation) > before + 10);
  const isShort = (name: string): boolean => {
    const most = Math.min(heldLength(first, name), heldLength(second, name));
    return heldLength(laggard, name) < most;
  };
  const short = [...chunkNames(first)].filter(isShort);
  simulation.reached(
    "the third replica of a chunk with acknowledged data is shorter than the others",
    short.length > 0,
  );
  const reads = answered(simulation, "get");
  await restart(simulation, [first, second], "powerLoss", 15_000);
  simulation.reached("reads were tried with the laggard alone", answered(simulation, "get") > reads);
}

async function powerLosses(simulation: Simulation, random: SeededRandom): Promise<void> {
  const { chunkservers, members } = simulation.cluster;
  for (const some of [chunkservers.slice(0, 1), chunkservers.slice(0, 2), chunkservers, members]) {
    const before = acknowledged(simulation);
    await simulation.waitFor(20_000, () => acknowledged(simulation) >= before + 5);
    const member = random.pick(some.filter(({ role }) => role === "chunkserver"));
    await simulation.waitFor(5_000, () => underWay(simulation, "put") > 0);
    await simulation.within(
      20_000,
      "a disk writes",
      simulation.next((event, fields) => event === "write" && fields[0] === member.name),
    );
    simulation.reached("power is lost right after acknowledged puts", acknowledged(simulation) >= before + 5);
    await restart(simulation, some, "powerLoss", 2_000);
  }
}

/** Spoils chosen bytes of one replica of a cold chunk, and waits until it is whole again. */
async function damage(
  simulation: Simulation,
  random: SeededRandom,
  places: (bytes: Buffer) => number[],
): Promise<void> {
  const sealed = (member: Member): string[] =>
    simulation.atlas.candidates(member).filter((name) => problemOf(member, name) === undefined);
  const found = random.shuffle(simulation.cluster.chunkservers).find((member) => sealed(member).length > 0);
  simulation.reached("there is a sealed replica that may be spoiled", found !== undefined);
  if (!found) return;
  const name = random.pick(sealed(found));
  for (const at of places(chunkFile(found, name)!)) {
    found.node.disk.flipBit(`${CHUNK_DIRECTORY}/${name}`, at);
    simulation.note(`FAULT bit flip at ${at} of ${name} on ${found.name}`);
  }
  simulation.atlas.spoil(found, name);
  const isWhole = (): boolean => chunkFile(found, name) === undefined || problemOf(found, name) === undefined;
  simulation.reached("the damage is there", !isWhole());
  if (await poll(simulation, 300_000, isWhole)) return;
  const what = `${name} on ${found.name} is still spoiled after 5 minutes: ${problemOf(found, name)}`;
  simulation.violation({ promise: "P2", what, detail: [] });
}

function problemOf(member: Member, name: string): string | undefined {
  const bytes = chunkFile(member, name);
  const chunk = bytes && parseChunk(bytes);
  if (!chunk) return "no header";
  return chunk.problem ?? (chunk.seal === undefined ? "no seal" : undefined);
}

async function truncations(simulation: Simulation, random: SeededRandom): Promise<void> {
  await coldObjects(simulation);
  for (const fault of ["truncation", "lost write", "lost file", "truncation", "broken sector"] as const) {
    simulation.nemesis.inject(fault);
    await simulation.world.pass(random.between(1_000, 10_000));
  }
  simulation.reached("a file was cut", (simulation.faults.truncation ?? 0) > 0);
}

/** The same record of two replicas is spoiled: the third one serves. */
/** One record on two of three, and in another chunk a record of its own on each: no replica of that is whole any more. */
async function sharedDamage(simulation: Simulation, random: SeededRandom): Promise<void> {
  await coldObjects(simulation);
  const { chunkservers } = simulation.cluster;
  const [first, second, third] = chunkservers as [Member, Member, Member];
  const names = chunkNames(third).filter((name) => {
    return [first, second, third].every((member) => problemOf(member, name) === undefined);
  });
  const recordsOf = (name: string) => parseChunk(chunkFile(third, name)!)!.records;
  const flip = ({ node }: Member, name: string, { payloadAt }: { payloadAt: number }): void => {
    node.disk.flipBit(`${CHUNK_DIRECTORY}/${name}`, payloadAt);
  };
  const everywhere = names.find((name) => recordsOf(name).length >= chunkservers.length);
  if (everywhere !== undefined) {
    const spots = random.shuffle(recordsOf(everywhere));
    for (const [index, member] of chunkservers.entries()) flip(member, everywhere, spots[index]!);
  }
  simulation.reached("a chunk is damaged in another place on each server", everywhere !== undefined);
  const others = names.filter((name) => name !== everywhere && recordsOf(name).length > 0);
  simulation.reached("a chunk with three whole replicas is found", others.length > 0);
  if (others.length > 0) {
    const name = random.pick(others);
    const record = random.pick(recordsOf(name));
    for (const member of [first, second]) flip(member, name, record);
  }
  await simulation.world.pass(5_000);
}

async function diskErrors(simulation: Simulation): Promise<void> {
  const kinds = ["EIO of reads", "EIO of a chunkserver's write", "EIO of a chunkserver's sync"] as const;
  for (const kind of kinds) {
    const before = acknowledged(simulation);
    simulation.nemesis.inject(kind);
    await simulation.waitFor(30_000, () => acknowledged(simulation) >= before + 10);
    simulation.reached(`puts are acknowledged during ${kind}`, acknowledged(simulation) >= before + 10);
    await simulation.world.pass(5_000);
  }
}

async function fullDisks(simulation: Simulation): Promise<void> {
  const { cluster, shared, world } = simulation;
  await simulation.waitFor(20_000, () => acknowledged(simulation) > 10);
  for (const members of [[cluster.chunkservers[0]!], cluster.chunkservers, [cluster.master]]) {
    for (const { node } of members) node.disk.capacityBytes = node.disk.usedBytes + 1_000;
    await world.pass(3_000);
    const counts = () => ["get", "delete"].map((kind) => answered(simulation, kind));
    const [gets, deletes] = counts() as [number, number];
    await simulation.waitFor(20_000, () => counts()[0]! > gets && counts()[1]! > deletes);
    const [getsAfter, deletesAfter] = counts() as [number, number];
    simulation.reached(
      "reads and deletes are answered on full disks",
      getsAfter > gets && deletesAfter > deletes,
    );
    for (const { node, capacityBytes } of members) node.disk.capacityBytes = capacityBytes;
    const before = acknowledged(simulation);
    await simulation.within(
      60_000,
      "puts succeed without a restart once there is room",
      () => acknowledged(simulation) > before + 3,
    );
  }
  simulation.reached(
    "somebody was told that there is no space",
    [...shared.failures.keys()].some((key) => key.endsWith("NO_SPACE")),
  );
}

async function slowDisk(simulation: Simulation): Promise<void> {
  const { cluster, world, shared } = simulation;
  await simulation.waitFor(20_000, () => acknowledged(simulation) > 10);
  cluster.chunkservers[0]!.node.disk.faults.slowness = 100;
  const since = world.time;
  await world.pass(20_000);
  const took = shared.history.entries
    .filter(
      ({ startMs, endMs, request }) => startMs >= since && endMs !== undefined && request.kind !== "copy",
    )
    .map(({ startMs, endMs }) => endMs! - startMs)
    .sort((a, b) => a - b);
  const p99 = took[Math.floor(took.length * 0.99)] ?? 0;
  simulation.reached("operations ran beside a slow disk", took.length > 30);
  if (p99 <= SLOW_P99_MS) return;
  simulation.violation({
    promise: "P7",
    what: `beside one slow disk of three the 99th percentile is ${Math.round(p99)} ms`,
    detail: [],
  });
}

/** Hedged reads go to another replica after 150 ms; a chunk whose replica lags by more than 5 s is given up. */
const SLOW_P99_MS = 8_000;

async function scrubFindsRot(simulation: Simulation, random: SeededRandom): Promise<void> {
  await coldObjects(simulation);
  // Nobody reads: only the scrub can find it.
  simulation.shared.isOver = true;
  await damage(simulation, random, (bytes) => [random.int(200, bytes.length - 50)]);
  await restart(simulation, [random.pick(simulation.cluster.chunkservers)], "crash", 1_000);
  await damage(simulation, random, (bytes) => [random.int(200, bytes.length - 50)]);
}

async function collectWhileReading(simulation: Simulation, random: SeededRandom): Promise<void> {
  for (let round = 0; round < 6; round++) {
    await simulation.world.pass(random.between(10_000, 30_000));
    await restart(simulation, [random.pick(simulation.cluster.members)], "crash", random.between(100, 2_000));
  }
  const { counts } = simulation.coverage;
  simulation.reached(
    "chunks became garbage",
    (counts["log of the master: chunks without live data are to be deleted"] ?? 0) > 0,
  );
}

async function clientsLeave(simulation: Simulation, random: SeededRandom): Promise<void> {
  for (let round = 0; round < 8; round++) {
    await simulation.waitFor(10_000, () => underWay(simulation, "put") > 0);
    const client = random.pick(simulation.cluster.clients);
    const k = random.int(0, 30);
    for (let event = 0; event < k; event++)
      await simulation.within(
        30_000,
        "a client hears something",
        simulation.next((name, fields) => name === "arrive" && fields.includes(client.name)),
      );
    if (random.chance(0.3)) await restart(simulation, [client], "powerLoss", 500);
    else await restart(simulation, [client], "crash", 500);
  }
  simulation.reached(
    "uploads were given up by their senders",
    [...simulation.shared.failures.keys()].includes("put CLIENT_GONE"),
  );
  simulation.reached("client processes died", (simulation.coverage.counts["crash of k"] ?? 0) > 2);
}

async function expiredPrimary(simulation: Simulation, random: SeededRandom): Promise<void> {
  const { cluster, world, options } = simulation;
  for (let round = 0; round < 3; round++) {
    const [from, master] = [random.pick(cluster.clients), cluster.master];
    // The writer goes on with leases that the master has ended.
    world.network.partition(from.name, master.name);
    await world.pass(options.plan.leaseMs * 0.9);
    const primary = random.pick(cluster.chunkservers);
    primary.node.pause();
    await world.pass(options.plan.leaseMs * 1.5);
    primary.node.resume();
    world.network.mend(from.name, master.name);
    await world.pass(3_000);
  }
  const { counts } = simulation.coverage;
  const late = (counts["log of the master: sealed a chunk"] ?? 0) > 0;
  simulation.reached("chunks were sealed behind a writer's back", late);
}

async function overwriteWhileReading(simulation: Simulation): Promise<void> {
  // Chunks are sealed when their writer is gone, and are garbage once all in them is overwritten.
  for (let round = 0; round < 6; round++) {
    await simulation.world.pass(8_000);
    await restart(simulation, [simulation.cluster.clients[1]!], "crash", 500);
  }
  const { counts } = simulation.coverage;
  const collected = (): boolean =>
    (counts["log of the master: chunks without live data are to be deleted"] ?? 0) > 0;
  await poll(simulation, 300_000, collected);
  const overtaken = Object.keys(counts).filter((name) => name.startsWith("downloads overtaken"));
  simulation.reached("downloads ended after their object was overwritten or deleted", overtaken.length > 0);
  simulation.reached("chunks became garbage", collected());
}

const tableOf = (bytes: Buffer): number[] => {
  const record = parseChunk(bytes)?.records[0];
  return [record ? record.offset + 41 : 70];
};

export const DATA_SCENARIOS: Scenario[] = [
  directed("F01", "kill one chunkserver in the middle of a put, each of the three", killEachPosition),
  directed("F02", "kill two chunkservers after the answer, and start them again", killTwoAfterAck),
  directed("F03", "lose both replicas that answered, and keep the one that lagged", onlyTheLaggardIsLeft),
  directed("F04", "power loss of one, two, three chunkservers, and of everything", powerLosses),
  directed(
    "F05",
    "a flipped bit in a payload, a block table, a header and a seal",
    async (simulation, random) => {
      await coldObjects(simulation);
      const payload = (bytes: Buffer): number[] => [bytes.length - 60];
      const seal = (bytes: Buffer): number[] => [bytes.length - 20];
      for (const places of [payload, tableOf, () => [12], seal]) await damage(simulation, random, places);
    },
  ),
  directed("F06", "cut files, lost files, lost writes, broken sectors", truncations),
  directed("F07", "one record spoiled on two of three, and others on all three", sharedDamage),
  directed("F08", "EIO of reads, writes and syncs", diskErrors),
  directed("F09", "full disks: one, all, the master's", fullDisks, ({ workload }) => {
    workload.weights = { ...workload.weights!, delete: 20 };
  }),
  directed("F10", "one disk a hundred times slower", slowDisk),
  directed("F16", "the scrub finds what rots where nobody reads", scrubFindsRot),
  directed(
    "F17",
    "garbage collection and compaction between reads and crashes",
    collectWhileReading,
    (shape) => {
      shape.master = QUICK_GARBAGE;
      shape.workload.keys = new Keys(new SeededRandom("F17"), 8);
    },
  ),
  directed("F18", "clients go away in the middle of everything", clientsLeave, ({ workload }) => {
    Object.assign(workload, { leave: 0.2, slow: 0.2 });
  }),
  directed(
    "F19",
    "a primary and a writer that sleep through the end of their lease",
    expiredPrimary,
    ({ plan }) => {
      plan.leaseMs = 5_000;
    },
  ),
  directed(
    "F39",
    "objects overwritten and deleted under slow downloads",
    overwriteWhileReading,
    ({ workload }) => {
      Object.assign(workload, {
        slow: 0.8,
        sizes: { block: 0.2, record: 0.2, records: 0.15, exclusive: 0, wholeChunk: 0 },
      });
    },
  ),
];
