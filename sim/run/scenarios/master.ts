// What becomes of the master's directory: F22, F24 and F30. A master that has forgotten serves nothing and deletes nothing.
import { md5Of } from "../../check/content.ts";
import { codeOf } from "../../workload/answers.ts";
import { payloadOf } from "../../workload/payload.ts";
import { BUCKET } from "../../workload/shared.ts";
import { imageOf, putBack } from "../../world/disk-image.ts";
import { chunkNames } from "../cluster.ts";
import type { Simulation } from "../simulation.ts";
import { directed, type Scenario } from "./scenario.ts";
import { acknowledged, operate } from "./steps.ts";

const DIRECTORY = "/data/master";
const BACKUP = "/data/master.backup";
/** Longer than any grace of the simulated masters. */
const GRACES_MS = 200_000;

/** By chunkserver: the chunk files there. */
function held(simulation: Simulation): Map<string, string[]> {
  return new Map(simulation.cluster.chunkservers.map((member) => [member.name, chunkNames(member)]));
}

function isAllThere(simulation: Simulation, before: ReadonlyMap<string, readonly string[]>): boolean {
  const now = held(simulation);
  return [...before].every(([server, names]) => names.every((name) => now.get(server)!.includes(name)));
}

/** No client asks for anything any more, and each has its answers. */
async function quiet(simulation: Simulation): Promise<void> {
  simulation.shared.isOver = true;
  const done = Promise.all([...simulation.running.values()].map((running) => running.done));
  await simulation.within(120_000, "every client has its answers", done);
}

async function backup(simulation: Simulation): Promise<Uint8Array> {
  const { client, node } = simulation.observer!;
  await operate(simulation, "a backup is written", () => client.takeBackup(BACKUP));
  return node.disk.contentOf(BACKUP);
}

/** The catalog is lost, and goes back to its beginning by the journal; then the whole disk is, and comes from a backup. */
async function lostCatalogThenDisk(simulation: Simulation): Promise<void> {
  const { master } = simulation.cluster;
  await simulation.waitFor(30_000, () => acknowledged(simulation) > 30);
  master.stop("powerLoss");
  for (const { path } of master.node.disk.list(/catalog\.sqlite/)) master.node.disk.destroy(path);
  master.start();
  const isServing = await simulation.waitFor(30_000, () => master.isReady);
  simulation.reached("the catalog is rebuilt from the journal", isServing);
  await quiet(simulation);
  const bytes = await backup(simulation);
  master.stop("powerLoss");
  master.node.disk.replaceByEmpty();
  const before = held(simulation);
  master.start();
  await refuses(simulation, "an empty one");
  simulation.reached("nothing is deleted under an empty master", isAllThere(simulation, before));
  await restore(simulation, bytes);
  await accept(simulation);
}

/** Until the faults end, it must not serve anything, nor have anything deleted. */
async function refuses(simulation: Simulation, what: string): Promise<void> {
  const { master } = simulation.observer!;
  await simulation.world.pass(GRACES_MS);
  const answer = await simulation.within(
    30_000,
    "a listing is answered",
    master.listObjects({ bucket: BUCKET, prefix: "", max: 1 }).then(
      () => "served",
      (error) => codeOf(error),
    ),
  );
  simulation.note(`a listing of the master with ${what} is answered ${answer}`);
  simulation.reached(
    `a master with ${what} does not serve`,
    answer !== "served" && answer !== "NO_SUCH_BUCKET",
  );
}

/** The backup `bytes` in place of what the master has. */
async function restore(simulation: Simulation, bytes: Uint8Array): Promise<void> {
  const { cluster, options } = simulation;
  const { master } = cluster;
  if (!master.isHeld) master.stop("crash");
  master.node.disk.replaceByEmpty();
  master.node.disk.put(BACKUP, bytes);
  await simulation.within(20_000, "a backup is restored", options.roles.restoreMaster(master.node, BACKUP));
  master.start();
  await simulation.within(30_000, "the restored master serves", () => master.isReady);
}

/** The operator's word that what the restored master does not know may go. */
async function accept(simulation: Simulation): Promise<void> {
  const { master } = simulation.observer!;
  await simulation.world.pass(5_000);
  await operate(simulation, "the restore is accepted", () => master.discardOrphans(null));
}

/** An older copy of the directory comes back: it knows nothing of what was acknowledged since. */
async function olderCopy(simulation: Simulation): Promise<void> {
  const { cluster } = simulation;
  const { master } = cluster;
  const { disk } = master.node;
  await simulation.waitFor(30_000, () => acknowledged(simulation) > 30);
  master.stop("crash");
  await simulation.world.pass(10);
  const older = imageOf(disk, DIRECTORY);
  master.start();
  const before = acknowledged(simulation);
  await simulation.waitFor(30_000, () => acknowledged(simulation) > before + 30);
  await quiet(simulation);
  master.stop("crash");
  await simulation.world.pass(10);
  const newest = imageOf(disk, DIRECTORY);
  const files = held(simulation);
  putBack(disk, DIRECTORY, older);
  master.start();
  await refuses(simulation, "an older copy of its directory");
  simulation.reached("nothing is deleted under an older copy", isAllThere(simulation, files));
  master.stop("crash");
  await simulation.world.pass(10);
  putBack(disk, DIRECTORY, newest);
  master.start();
}

/** Objects that came behind the backup are gone from the storage; their bytes are kept until the operator's word. */
async function olderBackup(simulation: Simulation): Promise<void> {
  const { observer, cluster, world, options } = simulation;
  const { store, env } = observer!.client;
  await simulation.waitFor(30_000, () => acknowledged(simulation) > 30);
  await quiet(simulation);
  const bytes = await backup(simulation);
  const sender = { clock: env.clock, random: env.random, slow: 0, leave: 0 };
  const attributes = { headers: {}, metadata: {}, checksums: {} };
  for (let index = 0; index < 20; index++) {
    const pieces = [{ name: `later-${index}`, size: 5_000 }];
    const payload = payloadOf(pieces, md5Of(pieces), sender);
    const put = store.put(BUCKET, `later/${index}`, payload, () => attributes);
    await simulation.within(20_000, "an object is put behind the backup", put);
  }
  await world.pass(options.plan.leaseMs * 3);
  const before = held(simulation);
  cluster.master.stop("powerLoss");
  await restore(simulation, bytes);
  await world.pass(GRACES_MS);
  simulation.reached("what came behind the backup is kept", isAllThere(simulation, before));
  const { count, held: hold } = (await simulation.within(20_000, "a status", observer!.master.status(null)))
    .orphans;
  simulation.reached(
    "the restored master holds what it does not know",
    count > 0 && hold === "catalog-restored",
  );
  await accept(simulation);
}

export const MASTER_SCENARIOS: Scenario[] = [
  directed("F22", "the master's catalog is lost, then its whole disk", lostCatalogThenDisk),
  directed("F24", "the master starts with an older copy of its directory", olderCopy),
  directed("F30", "the master is restored to an older backup", olderBackup),
];
