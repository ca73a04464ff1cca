import { API_SETTINGS } from "../apis/settings.ts";
import { type Config, optionalText, port, type Setting, text, texts, UsageError } from "../std/config.ts";
import { METRICS_LISTEN } from "../std/metrics-server.ts";
import { ACCESS_LOG_MODES, type AccessLogMode } from "./http/access-log.ts";

const GATEWAY_SETTINGS = {
  host: text("address to listen on; 0.0.0.0 for all", "ADDRESS", "127.0.0.1"),
  httpsPort: port("dashboard, APIs and S3 under TLS; 0 takes any free port", 8443),
  httpPort: port("redirects to HTTPS, and /healthz", 8080),
  s3Port: port("S3 without TLS, for any host name", 8333),
  tlsDir: text("directory of the local CA and the certificate; made on the first start", "DIR"),
  webDir: optionalText("directory of the built dashboard; without it there is none", "DIR"),
  adminSocket: optionalText("Unix socket for the operator; its directory must be closed to others", "PATH"),
  accessLog: {
    help: `requests to log: ${ACCESS_LOG_MODES.join(", ")}`,
    placeholder: "WHICH",
    fallback: "failures",
    parse(value: string): AccessLogMode {
      const mode = ACCESS_LOG_MODES.find((candidate) => candidate === value);
      if (mode === undefined) throw new UsageError(`must be one of ${ACCESS_LOG_MODES.join(", ")}`);
      return mode;
    },
  },
  apis: texts("URL of a process of the role apis; with it no API runs in this one", "URL"),
  s3Apis: texts("URL of the S3 port of such a process", "URL"),
  metricsListen: METRICS_LISTEN,
  metricsSockets: optionalText(
    "directory of the other roles' metrics, ROLE.prom, told at /metrics/ROLE",
    "DIR",
  ),
};

/** Needed unless --apis names other processes that have them. */
const OWN_API_SETTINGS = {
  master: optional(API_SETTINGS.master),
  cluster: optional(API_SETTINGS.cluster),
  databaseUrl: optional(API_SETTINGS.databaseUrl),
  auditDatabaseUrl: API_SETTINGS.auditDatabaseUrl,
  auditObjects: API_SETTINGS.auditObjects,
  eventsDatabaseUrl: API_SETTINGS.eventsDatabaseUrl,
  natsUrl: API_SETTINGS.natsUrl,
  kek: optional(API_SETTINGS.kek),
  domain: API_SETTINGS.domain,
  region: API_SETTINGS.region,
};

export const EDGE_SETTINGS = { ...GATEWAY_SETTINGS, ...OWN_API_SETTINGS };
export type EdgeConfig = Config<typeof EDGE_SETTINGS>;

/** The settings of APIs in this process; throws {@link UsageError} naming all that are missing. */
export function ownApiSettings(config: EdgeConfig): Config<typeof API_SETTINGS> {
  const { master, cluster, databaseUrl, kek, domain, region } = config;
  const { auditDatabaseUrl, auditObjects, eventsDatabaseUrl, natsUrl } = config;
  if (master && cluster && databaseUrl && kek) {
    const services = { auditDatabaseUrl, auditObjects, eventsDatabaseUrl, natsUrl };
    return { master, cluster, databaseUrl, ...services, kek, domain, region };
  }
  const given = { master, cluster, "database-url": databaseUrl, kek };
  const missing = Object.entries(given).filter(([, value]) => !value);
  throw new UsageError(`${missing.map(([name]) => `--${name}`).join(", ")} must be given unless --apis is`);
}

function optional<T>(setting: Setting<T>): Setting<T> & { optional: true } {
  return { ...setting, optional: true };
}
