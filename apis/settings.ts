import { randomBytes } from "node:crypto";
import { hostname } from "node:os";
import { readClusterFile } from "../chunkd/protocol/cluster-file.ts";
import { address, type Config, onOff, optionalText, text, UsageError } from "../std/config.ts";
import { systemDisk } from "../std/disk.ts";
import { thisHost } from "../std/this-host.ts";
import type { EventsPlace } from "./events/open-bus.ts";
import { gatewayToken } from "./gateway-trust.ts";
import type { ApisConfig } from "./serve.ts";

export const AUDIT_OBJECTS = onOff("whether changes to single objects are in the audit log", "on");

/** What a process with the APIs must be told, whether a gateway is around them or not. */
export const API_SETTINGS = {
  master: address("the storage master's address"),
  cluster: text("JSON file with the cluster's id and secret, made by the first start", "FILE"),
  databaseUrl: text("PostgreSQL server, with user and password; better as SKERRY_DATABASE_URL", "URL"),
  auditDatabaseUrl: optionalText("the same for the audit log, where it is another server or database", "URL"),
  auditObjects: AUDIT_OBJECTS,
  eventsDatabaseUrl: optionalText("the same for the event bus, unless NATS carries it", "URL"),
  natsUrl: optionalText(
    "NATS server with JetStream that carries the events, instead of PostgreSQL; better as SKERRY_NATS_URL",
    "URL",
  ),
  kek: text("file of the key that seals secrets in the database; made on the first start", "FILE"),
  domain: text("name under which all is reached where there is DNS", "NAME", "skerry.localhost"),
  region: text("what S3 signatures name", "REGION", "us-east-1"),
};

/** Checks the settings and reads the cluster file. Throws {@link UsageError}. */
export async function apisConfig(config: Config<typeof API_SETTINGS>): Promise<ApisConfig> {
  const { master, databaseUrl, auditObjects, kek: kekPath, domain, region } = config;
  if (!/^postgres(ql)?:\/\//.test(databaseUrl)) {
    throw new UsageError("--database-url must begin with postgres://");
  }
  const auditDatabaseUrl = ownDatabase("the audit log", "audit-database-url", config.auditDatabaseUrl, [
    databaseUrl,
  ]);
  const events = eventsPlace(config, [databaseUrl, auditDatabaseUrl]);
  const secrets = await readClusterFile(config.cluster);
  const id = `apis-${hostname()}-${randomBytes(4).toString("hex")}`;
  const host = await thisHost(systemDisk);
  const local = host === undefined ? undefined : { host, disk: systemDisk };
  const databases = { databaseUrl, auditDatabaseUrl };
  return { master, secrets, ...databases, auditObjects, events, kekPath, domain, region, id, local };
}

function eventsPlace(config: Config<typeof API_SETTINGS>, taken: readonly string[]): EventsPlace {
  const { natsUrl, eventsDatabaseUrl } = config;
  if (natsUrl === undefined) {
    return { databaseUrl: ownDatabase("the event bus", "events-database-url", eventsDatabaseUrl, taken) };
  }
  if (!/^(nats|tls):\/\//.test(natsUrl)) throw new UsageError("--nats-url must begin with nats:// or tls://");
  if (eventsDatabaseUrl !== undefined)
    throw new UsageError("give --nats-url or --events-database-url, not both");
  return { natsUrl };
}

/**
 * The URL for `what`; that of auth, the first of `taken`, where none is `given`. On one server each has a database of its own,
 * unless the URL names one: that is for one alone.
 */
function ownDatabase(
  what: string,
  flag: string,
  given: string | undefined,
  taken: readonly string[],
): string {
  if (given !== undefined && !/^postgres(ql)?:\/\//.test(given)) {
    throw new UsageError(`--${flag} must begin with postgres://`);
  }
  const url = given ?? taken[0]!;
  if (taken.includes(url) && new URL(url).pathname.length > 1) {
    throw new UsageError(
      `the database that --database-url or another flag names is for one service alone: name another one for ${what} by --${flag}`,
    );
  }
  return url;
}

/** What a gateway with this cluster file proves itself with. Throws {@link UsageError}. */
export async function gatewayTokenOf(clusterFile: string): Promise<string> {
  return gatewayToken((await readClusterFile(clusterFile)).clusterSecret);
}
