// After the faults: everything readable, every chunk on its disks as it should be, no garbage, nothing held.
import type { ObjectRecord } from "../../masterd/protocol/messages.ts";
import {
  checkCounts,
  checkGarbage,
  checkObjects,
  checkReplicas,
  type StoredFiles,
  type StoredObject,
} from "../check/replicas.ts";
import type { Violation } from "../check/violation.ts";
import { BUCKET } from "../workload/shared.ts";
import { SECRETS } from "../world/roles.ts";
import { ChunkFiles } from "./cluster.ts";
import type { Simulation } from "./simulation.ts";

const REPLICAS = 3;
/** One operation of the audit, ms. */
const OPERATION_MS = 60_000;
/** Until every chunk has its replicas: servers that were gone are back, and failed copies wait for up to 5 minutes. */
const REPLICAS_WITHIN_MS = 600_000;
/** Until no garbage is left: the graces one after another, and chunks that wait for a retry. */
const GARBAGE_WITHIN_MS = 900_000;
/** Between two looks at the disks. */
const POLL_MS = 5_000;
const POLL_MS_MAX = 30_000;

/**
 * Until a client has its answer, whatever goes wrong meanwhile: faults last for less than a minute, what comes behind them
 * is half a minute of retries at most.
 */
const ANSWER_WITHIN_MS = 90_000;

export async function verify(simulation: Simulation): Promise<void> {
  answersInTime(simulation);
  await readEverything(simulation);
  await simulation.within(
    OPERATION_MS,
    "open uploads can be aborted",
    simulation.uploads.abortAll(auditor(simulation).client.store),
  );
  await eventually(simulation, REPLICAS_WITHIN_MS, async () => await replicaProblems(simulation));
  await eventually(simulation, GARBAGE_WITHIN_MS, async () =>
    checkGarbage(stored(simulation), await objectsOf(simulation)),
  );
  await readEverything(simulation);
  await deleteEverything(simulation);
  await eventually(simulation, GARBAGE_WITHIN_MS, async () => {
    return [...checkGarbage(stored(simulation), []), ...(await leftovers(simulation))];
  });
  drained(simulation);
}

/** Every operation of the workload had its answer in time, unless its client died (P7). */
function answersInTime(simulation: Simulation): void {
  const { entries } = simulation.shared.history;
  for (const { client, request, startMs, endMs = startMs } of entries) {
    const tookMs = endMs - startMs;
    if (tookMs > 30_000) simulation.coverage.count(`${request.kind} took more than 30 s`);
    if (tookMs <= ANSWER_WITHIN_MS) continue;
    const what = `${client} waited ${Math.round(tookMs / 1000)} s for the answer to its ${request.kind}`;
    simulation.violation({ promise: "P7", what, detail: [`of "${request.key}"`] });
  }
}

function auditor(simulation: Simulation) {
  return simulation.running.get(simulation.cluster.clients[0]!.name)!;
}

/** Every key, whole, and the listings in every form; each must succeed and goes into the history. */
async function readEverything(simulation: Simulation): Promise<void> {
  const { worker } = auditor(simulation);
  const { keys } = simulation.shared;
  for (const key of keys.all) {
    await simulation.within(OPERATION_MS, `"${key}" can be read`, worker.get(key, true));
  }
  for (const [delimiter, max] of [
    [undefined, 1000],
    [undefined, 2],
    ["/", 3],
  ] as const) {
    const shown = await simulation.within(OPERATION_MS, "a listing ends", worker.list("", delimiter, max));
    if (shown) continue;
    simulation.violation({
      promise: "P4",
      what: "a listing fails though nothing is broken any more",
      detail: [],
    });
  }
}

async function objectsOf(simulation: Simulation): Promise<StoredObject[]> {
  const { master } = auditor(simulation).client;
  const objects: StoredObject[] = [];
  for (const key of simulation.shared.keys.all) {
    const found = await simulation.within(
      OPERATION_MS,
      `"${key}" can be looked up`,
      master.getObject({ bucket: BUCKET, key }).then(
        ({ object }): ObjectRecord | undefined => object,
        (error: { code?: string }) => {
          if (error.code === "NO_SUCH_KEY") return undefined;
          throw error;
        },
      ),
    );
    if (found) objects.push({ key, etag: found.etag, extents: found.extents });
  }
  return objects;
}

function stored(simulation: Simulation): StoredFiles[] {
  return simulation.cluster.chunkservers.map((member) => {
    return { server: member.name, counts: member.isReady, files: new ChunkFiles(member) };
  });
}

async function replicaProblems(simulation: Simulation): Promise<Violation[]> {
  const objects = await objectsOf(simulation);
  const servers = stored(simulation);
  const wanted = Math.min(REPLICAS, servers.filter(({ counts }) => counts).length);
  const counts = checkCounts(servers, objects, wanted);
  if (counts.length > 0) return counts;
  return [
    ...checkReplicas(SECRETS.clusterId, servers, objects),
    ...checkObjects(simulation.shared.history, servers, objects),
  ];
}

/** What `look` finds has to be nothing, in time. */
async function eventually(
  simulation: Simulation,
  ms: number,
  look: () => Promise<Violation[]>,
): Promise<void> {
  const until = simulation.world.time + ms;
  for (let wait = POLL_MS; ; wait = Math.min(POLL_MS_MAX, wait * 1.5)) {
    const problems = await look();
    if (problems.length === 0) return;
    if (simulation.world.time >= until) {
      for (const problem of problems.slice(0, 5)) simulation.violation(problem);
      return;
    }
    await simulation.world.pass(wait);
  }
}

async function deleteEverything(simulation: Simulation): Promise<void> {
  const { worker } = auditor(simulation);
  await simulation.within(OPERATION_MS, "everything can be deleted", worker.deleteAll());
}

/** Chunks that the master still knows of. */
async function leftovers(simulation: Simulation): Promise<Violation[]> {
  const { master } = auditor(simulation).client;
  const { chunks } = await simulation.within(
    OPERATION_MS,
    "the master tells its status",
    master.status(null),
  );
  const { open, sealed, deleting } = chunks;
  if (open + sealed + deleting === 0) return [];
  const what = `the master still has ${open} open, ${sealed} sealed and ${deleting} chunks to delete`;
  return [{ promise: "P7", what, detail: ["though there is no object any more"] }];
}

/** No client holds memory for what is over (P9). */
function drained(simulation: Simulation): void {
  for (const [name, { client }] of simulation.running) {
    const { inFlightBytes, openChunks } = client.writer;
    const { readAheadBytes } = client.reader;
    if (inFlightBytes + openChunks + readAheadBytes === 0) continue;
    const what = `${name} still holds ${inFlightBytes} bytes of uploads, ${readAheadBytes} of downloads and ${openChunks} chunks`;
    simulation.violation({ promise: "P9", what, detail: [] });
  }
}
