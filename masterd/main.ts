// The storage master as a process: reads its settings, opens the real clock, disk and network, runs until it is told
// to stop.

import { readClusterFile } from "../chunkd/protocol/cluster-file.ts";
import { RemoteError } from "../chunkd/protocol/errors.ts";
import { systemClock } from "../std/clock.ts";
import { address, parseConfig, text, UsageError, whole } from "../std/config.ts";
import { systemDisk } from "../std/disk.ts";
import { jsonLog } from "../std/log.ts";
import { DiskStats, measuredDisk } from "../std/measured-disk.ts";
import { Metrics } from "../std/metrics.ts";
import { METRICS_LISTEN, serveMetrics } from "../std/metrics-server.ts";
import { type Address, systemNet } from "../std/net.ts";
import { buildOf, describeProcess } from "../std/process-metrics.ts";
import { systemRandom } from "../std/random.ts";
import { stopRequested } from "../std/stop-request.ts";
import { ABANDONED_UPLOAD_DAYS } from "./chunks/abandoned-uploads.ts";
import { DELETE_GRACE_MS } from "./chunks/collector.ts";
import { ORPHAN_GRACE_MS } from "./chunks/orphans.ts";
import { describeMasterDisk } from "./server/metrics.ts";
import { type Master, type MasterOptions, startMaster } from "./server/start.ts";

const GRACE_MAX_MS = 365 * 24 * 60 * 60_000;

export const SETTINGS = {
  dir: text("where the journal and the catalog are kept", "DIR"),
  listen: address("address of the frame protocol; port 0 takes any free port", "127.0.0.1:0"),
  grpcListen: address("address of gRPC; port 0 takes any free port", "127.0.0.1:9000"),
  cluster: text("JSON file with the cluster's id and secrets, made by the first start", "FILE"),
  deleteGraceMs: whole(
    "how long the data of deleted objects is kept, ms",
    "MS",
    0,
    GRACE_MAX_MS,
    DELETE_GRACE_MS,
  ),
  abandonedUploadDays: whole(
    "a multipart upload without a new part for so long is aborted; 0: never",
    "DAYS",
    0,
    3650,
    ABANDONED_UPLOAD_DAYS,
  ),
  orphanGraceMs: whole("how long chunks unknown here are kept, ms", "MS", 0, GRACE_MAX_MS, ORPHAN_GRACE_MS),
  metricsListen: METRICS_LISTEN,
};

/** Runs the master until SIGTERM or SIGINT. Prints one `ready` line when it serves. */
export async function main(argv: string[], environment: Record<string, string | undefined>): Promise<void> {
  const log = jsonLog((line) => process.stderr.write(line)).with({ role: "masterd" });
  const { options, metricsListen } = await optionsOf(argv, environment);
  const metrics = new Metrics();
  describeProcess(metrics, systemClock, buildOf("masterd", environment));
  const stop = stopRequested(environment);
  const master = await start(log, { ...options, metrics });
  const { address, grpcAddress, problems } = master;
  const scraped = metricsListen && serveMetrics(metricsListen, { metrics, problems });
  process.stdout.write(`${JSON.stringify({ event: "ready", address, grpcAddress })}\n`);
  try {
    log.info("stopping", { reason: await Promise.race([stop, master.failed]) });
  } finally {
    if (scraped) await scraped.close();
    await master.close();
  }
}

async function start(
  log: ReturnType<typeof jsonLog>,
  options: MasterOptions & { metrics: Metrics },
): Promise<Master> {
  const diskStats = new DiskStats();
  describeMasterDisk(options.metrics, diskStats);
  const disk = measuredDisk(systemDisk, systemClock, diskStats);
  const env = { clock: systemClock, disk, net: systemNet, random: systemRandom, log };
  try {
    return await startMaster(env, options);
  } catch (error) {
    throw new Error(startFailure(error as NodeJS.ErrnoException, options), { cause: error });
  }
}

/** One line for whoever started it. */
function startFailure(error: NodeJS.ErrnoException, { listen, grpcListen }: MasterOptions): string {
  if (error instanceof RemoteError || error instanceof UsageError) return error.message;
  if (error.code === "EADDRINUSE" || /EADDRINUSE|No address added|in use/.test(error.message)) {
    return `the master cannot listen on ${listen} and ${grpcListen}: one of them is in use; choose another port`;
  }
  return `the master cannot start: ${error.message}`;
}

async function optionsOf(
  argv: string[],
  environment: Record<string, string | undefined>,
): Promise<{ options: MasterOptions; metricsListen?: Address }> {
  const { config, words } = parseConfig(SETTINGS, argv, environment);
  if (words.length > 0) throw new UsageError(`"${words[0]}" is not an option of masterd`);
  const { dir: directory, cluster, metricsListen, ...rest } = config;
  return { options: { directory, ...rest, secrets: await readClusterFile(cluster) }, metricsListen };
}
