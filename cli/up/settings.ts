import { DATABASE_SETTINGS } from "../../apis/service-databases.ts";
import { API_SETTINGS } from "../../apis/settings.ts";
import { type Config, flag, optionalText, port, text, texts, UsageError, whole } from "../../std/config.ts";
import { DATA_SETTING } from "../data-setting.ts";

/** One Bun process each: more of them than disks is never of use. */
const CHUNKSERVERS_MAX = 64;

export const MASTER_PORT = 9000;
export const METRICS_PORT = 9464;

export const UP_SETTINGS = {
  data: DATA_SETTING,
  domain: domainSetting("name under which all is reached where there is DNS", "NAME", "skerry.localhost"),
  host: text("address to listen on; 0.0.0.0 for all", "ADDRESS", "127.0.0.1"),
  httpsPort: port("dashboard, APIs and S3 under TLS; 0 takes any free port", 8443),
  httpPort: port("redirects to HTTPS, and /healthz", 8080),
  s3Port: port("S3 without TLS, for any host name", 8333),
  sshPort: port("kept in credentials.json for later: this version serves no SSH yet", 2222),
  masterPort: {
    ...port(
      "gRPC of the storage master; any free port when 9000 is taken and this is not given",
      MASTER_PORT,
    ),
    fallback: undefined,
    optional: true as const,
  },
  metricsPort: {
    ...port(
      "Prometheus metrics of all roles, on loopback alone; any free port when 9464 is taken and this is not given",
      METRICS_PORT,
    ),
    fallback: undefined,
    optional: true as const,
  },
  chunkservers: whole("chunkservers to run; durability needs 3", "N", 1, CHUNKSERVERS_MAX, 3),
  disk: texts("directory of one chunkserver, once a disk, instead of --chunkservers", "DIR"),
  ...DATABASE_SETTINGS,
  databaseUrl: optionalText(
    "PostgreSQL server of the services, instead of the embedded one; better as SKERRY_DATABASE_URL",
    "URL",
  ),
  auditDatabaseReplicaUrl: API_SETTINGS.auditDatabaseReplicaUrl,
  auditObjects: API_SETTINGS.auditObjects,
  accessLog: choice("requests to log", ["all", "failures", "none"], "failures"),
  detach: flag("return when it is ready; the log goes to DIR/log/skerry.log"),
};

export type UpConfig = Config<typeof UP_SETTINGS>;

function choice(help: string, values: readonly string[], fallback: string) {
  return {
    help: `${help}: ${values.join(", ")}`,
    placeholder: "WHICH",
    fallback,
    parse(value: string): string {
      if (!values.includes(value)) throw new UsageError(`must be one of ${values.join(", ")}`);
      return value;
    },
  };
}

function domainSetting(help: string, placeholder: string, fallback: string) {
  return {
    help,
    placeholder,
    fallback,
    parse(value: string): string {
      const name = value.toLowerCase().replace(/\.$/, "");
      const label = "[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?";
      if (name.length > 200 || !new RegExp(`^${label}(?:\\.${label})*$`).test(name)) {
        throw new UsageError("must be a domain name, such as cloud.example.com");
      }
      return name;
    },
  };
}
