import { randomBytes } from "node:crypto";
import { hostname } from "node:os";
import { readClusterFile } from "../chunkd/protocol/cluster-file.ts";
import { address, type Config, onOff, optionalText, text } from "../std/config.ts";
import { systemDisk } from "../std/disk.ts";
import { thisHost } from "../std/this-host.ts";
import { gatewayToken } from "./gateway-trust.ts";
import type { ApisConfig } from "./serve.ts";
import { checked, DATABASE_SETTINGS, serviceDatabases } from "./service-databases.ts";

/** What a process with the APIs must be told, whether a gateway is around them or not. */
export const API_SETTINGS = {
  master: address("the storage master's address"),
  cluster: text("JSON file with the cluster's id and secret, made by the first start", "FILE"),
  ...DATABASE_SETTINGS,
  auditObjects: onOff("whether changes to single objects are in the audit log", "on"),
  auditDatabaseReplicaUrl: optionalText(
    "a read replica of the audit log's database, for looking entries up and for exports; the database itself while it is away",
    "URL",
  ),
  kek: text("file of the key that seals secrets in the database; made on the first start", "FILE"),
  domain: text("name under which all is reached where there is DNS", "NAME", "skerry.localhost"),
  region: text("what S3 signatures name", "REGION", "us-east-1"),
};

/** Checks the settings and reads the cluster file. Throws {@link UsageError}. */
export async function apisConfig(config: Config<typeof API_SETTINGS>): Promise<ApisConfig> {
  const { master, auditObjects, kek: kekPath, domain, region } = config;
  const databases = serviceDatabases(config);
  const auditReplicaUrl = checked("audit-database-replica-url", config.auditDatabaseReplicaUrl);
  const secrets = await readClusterFile(config.cluster);
  const id = `apis-${hostname()}-${randomBytes(4).toString("hex")}`;
  const host = await thisHost(systemDisk);
  const local = host === undefined ? undefined : { host, disk: systemDisk };
  const audit = { auditReplicaUrl, auditObjects };
  return { master, secrets, databases, ...audit, kekPath, domain, region, id, local };
}

/** What a gateway with this cluster file proves itself with. Throws {@link UsageError}. */
export async function gatewayTokenOf(clusterFile: string): Promise<string> {
  return gatewayToken((await readClusterFile(clusterFile)).clusterSecret);
}
