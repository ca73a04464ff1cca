import { MIGRATIONS as AUDIT } from "../../apis/audit/migrations.ts";
import { MIGRATIONS as AUTH } from "../../apis/auth/migrations.ts";
import type { ServiceDatabases } from "../../apis/service-databases.ts";
import { EVENTS_MIGRATIONS as EVENTS } from "../../std/bus/postgres-schema.ts";
import type { Migration } from "../../std/db/migrate.ts";

export type ServiceName = "auth" | "events" | "audit";

/** A service with a database, which has its name. */
export interface Service {
  name: ServiceName;
  migrations: readonly Migration[];
}

export const SERVICES: readonly Service[] = [
  { name: "auth", migrations: AUTH },
  { name: "events", migrations: EVENTS },
  { name: "audit", migrations: AUDIT },
];

/** The URL for the service's database; undefined where it has none, since NATS carries the events. */
export function urlOf(databases: ServiceDatabases, name: ServiceName): string | undefined {
  if (name !== "events") return databases[name];
  return "databaseUrl" in databases.events ? databases.events.databaseUrl : undefined;
}

export function sectionOf(name: ServiceName): string {
  return `database/${name}`;
}

export const STORAGE = "storage";
export const STORAGE_VERSION = 1;
export const SECRETS = "secrets";
export const SECRETS_VERSION = 1;
