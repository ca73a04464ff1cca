// The gateway as a process: reads its settings, opens the real clock, network and files, runs until it is told to stop.
import { type Apis, type MountedApis, startApis } from "../apis/serve.ts";
import { apisConfig, gatewayTokenOf } from "../apis/settings.ts";
import { systemClock } from "../std/clock.ts";
import { parseConfig, UsageError } from "../std/config.ts";
import { jsonLog, type Log } from "../std/log.ts";
import { Metrics } from "../std/metrics.ts";
import type { MetricsServer } from "../std/metrics-server.ts";
import { systemNet } from "../std/net.ts";
import { buildOf, describeProcess } from "../std/process-metrics.ts";
import { systemRandom } from "../std/random.ts";
import { ResidentLimit } from "../std/resident-limit.ts";
import { stopRequested } from "../std/stop-request.ts";
import { type AdminSocket, listenAdmin } from "./admin-socket.ts";
import { type Gateway, startGateway } from "./gateway.ts";
import { AccessLog } from "./http/access-log.ts";
import { StaticSite } from "./http/static-site.ts";
import { listenMetrics } from "./listeners/metrics.ts";
import { describeEdge } from "./metrics.ts";
import { connectPool } from "./pool/pool.ts";
import { EDGE_SETTINGS, type EdgeConfig, ownApiSettings } from "./settings.ts";
import { loadCertificate } from "./tls/certificate-store.ts";
import { certificateNames } from "./tls/names.ts";

export const SETTINGS = EDGE_SETTINGS;

/** Requests under way have so long to end, ms; a supervisor waits a little longer. */
const DRAIN_MS = 3_000;

/** Above it garbage is collected early, bytes. */
const RESIDENT_SOFT_MAX = 200 << 20;

/** Runs the gateway until SIGTERM or SIGINT. Prints one `ready` line with its ports once it serves. */
export async function main(argv: string[], environment: Record<string, string | undefined>): Promise<void> {
  const { config, words } = parseConfig(EDGE_SETTINGS, argv, environment);
  if (words.length > 0) throw new UsageError(`"${words[0]}" is no flag of edge`);
  // Files and sockets are made here for their owner alone.
  process.umask(0o077);
  const log = jsonLog((line) => process.stderr.write(line)).with({ role: "edge" });
  const stop = stopRequested(environment);
  const metrics = new Metrics();
  describeProcess(metrics, systemClock, buildOf("edge", environment));
  const memory = {
    clock: systemClock,
    resident: () => process.memoryUsage.rss(),
    collect: () => Bun.gc(true),
  };
  const residentLimit = new ResidentLimit(memory, RESIDENT_SOFT_MAX);
  const { apis, admin } = await openApis(config, metrics, log);
  let scraped: MetricsServer | undefined;
  try {
    const gateway = await openGateway(config, apis, metrics, log);
    const pages = { metrics, problems: () => apis.problems() };
    if (config.metricsListen) scraped = listenMetrics(config.metricsListen, pages, config.metricsSockets);
    const metricsAddress = scraped?.address;
    process.stdout.write(`${JSON.stringify({ event: "ready", ...gateway.ports, metricsAddress })}\n`);
    log.info("stopping", { reason: await stop });
    await gateway.stop(DRAIN_MS);
  } finally {
    residentLimit.stop();
    await scraped?.close();
    await admin?.close();
    await apis.close();
  }
}

async function openApis(
  config: EdgeConfig,
  metrics: Metrics,
  log: Log,
): Promise<{ apis: Apis; admin?: AdminSocket }> {
  if (config.apis.length > 0) {
    if (config.s3Apis.length === 0) throw new UsageError("--apis needs --s3-apis too");
    if (config.adminSocket) throw new UsageError("--admin-socket needs the APIs in this process");
    if (!config.cluster)
      throw new UsageError("--apis needs --cluster too, so that this gateway can prove itself");
    const token = await gatewayTokenOf(config.cluster);
    return {
      apis: connectPool({ clock: systemClock, log }, { urls: config.apis, s3Urls: config.s3Apis, token }),
    };
  }
  const env = { clock: systemClock, net: systemNet, random: systemRandom, log };
  const apis: MountedApis = await startApis(env, await apisConfig(ownApiSettings(config)));
  apis.describe(metrics);
  return {
    apis,
    admin: config.adminSocket ? await listenAdmin(config.adminSocket, apis, systemRandom) : undefined,
  };
}

async function openGateway(config: EdgeConfig, apis: Apis, metrics: Metrics, log: Log): Promise<Gateway> {
  const { host, domain } = config;
  const accessLog = new AccessLog(config.accessLog, systemClock, (text) => process.stderr.write(text));
  describeEdge(metrics, accessLog);
  const names = certificateNames(domain, host);
  const { certificate, key } = await loadCertificate(config.tlsDir, names, systemClock.now());
  return startGateway(apis, {
    ...config,
    tls: { cert: certificate, key },
    site: config.webDir === undefined ? undefined : await StaticSite.load(config.webDir),
    accessLog,
    clock: systemClock,
    random: systemRandom,
    log,
  });
}
