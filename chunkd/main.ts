// The chunkserver as a process: reads its settings, opens the real clock, disk and network, runs until it is told to stop.
import { resolve } from "node:path";
import { systemClock } from "../std/clock.ts";
import {
  address,
  optionalAddress,
  optionalText,
  parseConfig,
  text,
  UsageError,
  whole,
} from "../std/config.ts";
import { systemDisk } from "../std/disk.ts";
import { jsonLog } from "../std/log.ts";
import { DiskStats, measuredDisk } from "../std/measured-disk.ts";
import { Metrics } from "../std/metrics.ts";
import { METRICS_LISTEN, serveMetrics } from "../std/metrics-server.ts";
import { type Address, systemNet } from "../std/net.ts";
import { buildOf, describeProcess } from "../std/process-metrics.ts";
import { systemRandom } from "../std/random.ts";
import { stopRequested } from "../std/stop-request.ts";
import { thisHost } from "../std/this-host.ts";
import { readClusterFile } from "./protocol/cluster-file.ts";
import { type ChunkserverOptions, startChunkserver } from "./server/chunkserver.ts";
import { describeChunkDisk } from "./server/metrics.ts";

export const SETTINGS = {
  dir: text("where chunk files are kept, one directory a disk", "DIR"),
  id: optionalText("this chunkserver's id; by default the one in DIR, or a random one for a new DIR", "ID"),
  listen: address("address to serve on; port 0 takes any free port", "127.0.0.1:0"),
  advertise: optionalAddress("address by which other machines reach it, where that is another one"),
  master: address("the master's address"),
  cluster: text("JSON file with the cluster's id and secrets, made by the first start", "FILE"),
  scrubMibPerSecond: whole("how fast chunk files are read to find damage; 0: never", "MIB", 0, 10_000, 10),
  scrubDays: whole("a scrub begins at a random time within so many days after the last", "DAYS", 1, 365, 14),
  copyMibPerSecond: whole(
    "how fast replicas are made again, all together; 0: no limit",
    "MIB",
    0,
    100_000,
    100,
  ),
  metricsListen: METRICS_LISTEN,
};

const MIB = 1 << 20;
const DAY_MS = 24 * 3_600_000;

/** Runs a chunkserver until SIGTERM or SIGINT. Prints one `ready` line once the master has taken its registration. */
export async function main(argv: string[], environment: Record<string, string | undefined>): Promise<void> {
  const log = jsonLog((line) => process.stderr.write(line)).with({ role: "chunkd" });
  const { options, metricsListen } = await optionsOf(argv, environment);
  const metrics = new Metrics();
  const diskStats = new DiskStats();
  const disk = measuredDisk(systemDisk, systemClock, diskStats);
  const env = { clock: systemClock, disk, net: systemNet, random: systemRandom };
  const stop = stopRequested(environment);
  const server = await startChunkserver({ ...env, log }, { ...options, metrics });
  describeChunkDisk(metrics, diskStats);
  describeProcess(metrics, systemClock, buildOf("chunkd", environment));
  const scraped = metricsListen && serveMetrics(metricsListen, { metrics, problems: server.problems });
  log.info("listening", { address: server.address, id: server.id, dir: options.directory });
  void server.registered.then(() => {
    process.stdout.write(
      `${JSON.stringify({ event: "ready", address: server.address, id: server.id, incarnation: server.incarnation })}\n`,
    );
  });
  void server.removed.then((message) => {
    process.stdout.write(`${JSON.stringify({ event: "refused", message })}\n`);
  });
  log.info("stopping", { reason: await stop });
  if (scraped) await scraped.close();
  await server.close();
}

async function optionsOf(
  argv: string[],
  environment: Record<string, string | undefined>,
): Promise<{ options: ChunkserverOptions; metricsListen?: Address }> {
  const { config, words } = parseConfig(SETTINGS, argv, environment);
  if (words.length > 0) throw new UsageError(`"${words[0]}" is not an option of chunkd`);
  const { dir: directory, id, listen, advertise, master, metricsListen } = config;
  const secrets = await readClusterFile(config.cluster);
  const scrub = { bytesPerSecond: config.scrubMibPerSecond * MIB, periodMs: config.scrubDays * DAY_MS };
  const copyBytesPerSecond = config.copyMibPerSecond * MIB;
  const host = await thisHost(systemDisk);
  const local = host === undefined ? undefined : { host, directory: resolve(directory) };
  const common = { directory, id, listen, advertise, master, secrets, local };
  return { options: { ...common, scrub, copyBytesPerSecond }, metricsListen };
}
