// The APIs as a process of their own, behind gateways that are given --apis and --s3-apis.
import { systemClock } from "../std/clock.ts";
import { parseConfig, text, UsageError } from "../std/config.ts";
import { jsonLog } from "../std/log.ts";
import { Metrics } from "../std/metrics.ts";
import { METRICS_LISTEN, serveMetrics } from "../std/metrics-server.ts";
import { parseAddress, systemNet } from "../std/net.ts";
import { buildOf, describeProcess } from "../std/process-metrics.ts";
import { systemRandom } from "../std/random.ts";
import { stopRequested } from "../std/stop-request.ts";
import { gatewayToken, s3ByGateway } from "./gateway-trust.ts";
import { listenServices } from "./listen-services.ts";
import { type MountedApis, startApis } from "./serve.ts";
import { API_SETTINGS, apisConfig } from "./settings.ts";
import { listenS3 } from "./storage/s3/node-http.ts";

export const SETTINGS = {
  listen: text(
    "address of the JSON APIs, at /api/<service>/; port 0 takes any free port",
    "HOST:PORT",
    "127.0.0.1:7000",
  ),
  s3Listen: text("address of S3; port 0 takes any free port", "HOST:PORT", "127.0.0.1:7001"),
  metricsListen: METRICS_LISTEN,
  ...API_SETTINGS,
};

/** Requests under way have so long to end, ms. */
const DRAIN_MS = 3_000;

/** Runs the APIs until SIGTERM or SIGINT. Prints one `ready` line with both addresses. */
export async function main(argv: string[], environment: Record<string, string | undefined>): Promise<void> {
  const { config, words } = parseConfig(SETTINGS, argv, environment);
  if (words.length > 0) throw new UsageError(`"${words[0]}" is no flag of apis`);
  const at = tcpAddress("listen", config.listen);
  const s3At = tcpAddress("s3-listen", config.s3Listen);
  const log = jsonLog((line) => process.stderr.write(line)).with({ role: "apis" });
  const env = { clock: systemClock, net: systemNet, random: systemRandom, log };
  const stop = stopRequested(environment);
  const settings = await apisConfig(config);
  const apis: MountedApis = await startApis(env, settings);
  const token = gatewayToken(settings.secrets.clusterSecret);
  const services = listenServices(apis, { ...env, ...at, token });
  const s3 = await listenS3(s3ByGateway(withHealth(apis), token), {
    ...env,
    ...s3At,
    virtualHostSuffix: `storage.${config.domain}`,
  });
  const metrics = new Metrics();
  describeProcess(metrics, systemClock, buildOf("apis", environment));
  apis.describe(metrics);
  const pages = { metrics, problems: () => apis.problems() };
  const scraped = config.metricsListen && serveMetrics(config.metricsListen, pages);
  const address = `${at.hostname}:${services.port}`;
  process.stdout.write(
    `${JSON.stringify({ event: "ready", address, s3Address: `${s3At.hostname}:${s3.port}` })}\n`,
  );
  log.info("stopping", { reason: await stop });
  await Promise.all([services.stop(DRAIN_MS), s3.close(DRAIN_MS)]);
  if (scraped) await scraped.close();
  await apis.close();
}

/** S3, and /healthz for the gateways in front. */
function withHealth(apis: MountedApis): MountedApis["s3"] {
  return async (request) => {
    if (request.target !== "/healthz" || request.headers.has("authorization")) return apis.s3(request);
    const problems = await apis.problems();
    return { status: problems.length === 0 ? 200 : 503, headers: {}, body: problems.join("\n") };
  };
}

function tcpAddress(flag: string, address: string): { hostname: string; port: number } {
  const problem = `--${flag} must be host:port`;
  try {
    const target = parseAddress(address);
    if ("hostname" in target) return target;
  } catch (error) {
    throw new UsageError(`${problem}: ${(error as Error).message}`);
  }
  throw new UsageError(problem);
}
