// Each service's own URL, from the environment of `up` to the service.
import { expect, test } from "bun:test";
import { DATABASE_SETTINGS, serviceDatabases } from "../apis/service-databases.ts";
import { API_SETTINGS } from "../apis/settings.ts";
import { parseConfig } from "../std/config.ts";
import { SERVICES, type ServiceName, urlOf } from "./backup/services.ts";
import { DataDirectory } from "./data-directory.ts";
import { Plan } from "./up/plan.ts";
import { UP_SETTINGS } from "./up/settings.ts";

const COMMON = "postgres://u:p@db.example:5432";
const own = (name: string) => `postgres://${name}:p@${name}.example:5432/its-own`;
const variable = (name: string) => `SKERRY_${name.toUpperCase()}_DATABASE_URL`;

/** Where the services' databases are when `up` has this environment, as the gateway sees it. */
function seen(environment: Record<string, string>) {
  const { config } = parseConfig(UP_SETTINGS, ["--data", "/none"], environment);
  const plan = new Plan(
    new DataDirectory("/none"),
    config,
    [],
    { master: 1, metrics: 2 },
    { apisCluster: "/none/cluster.json", site: "/none/web" },
  );
  plan.record("postgres", { event: "ready", url: COMMON });
  plan.record("masterd", { event: "ready", address: "127.0.0.1:1" });
  const given = ["--master", "127.0.0.1:1", "--cluster", "/none", "--kek", "/none"];
  const passed = parseConfig(API_SETTINGS, given, plan.groups().edge[0]!.environment?.() ?? {}).config;
  return { plan, passed, urls: serviceDatabases(passed) };
}

test("every service with a database has a setting for it, and what it says reaches that service alone", () => {
  expect(Object.keys(DATABASE_SETTINGS)).toEqual(
    expect.arrayContaining(SERVICES.map(({ name }) => `${name}DatabaseUrl`)),
  );
  for (const { name } of SERVICES) {
    const { urls } = seen({ [variable(name)]: own(name) });
    const places = SERVICES.map((service): [ServiceName, string | undefined] => [
      service.name,
      urlOf(urls, service.name),
    ]);
    expect(places).toEqual(
      SERVICES.map((service) => [service.name, service.name === name ? own(name) : COMMON]),
    );
  }
});

test("with a URL for each, no PostgreSQL is started here", () => {
  const all = Object.fromEntries(SERVICES.map(({ name }) => [variable(name), own(name)]));
  const { plan, urls } = seen(all);
  expect(plan.groups().base.map(({ name }) => name)).toEqual(["masterd"]);
  expect(SERVICES.map(({ name }) => urlOf(urls, name))).toEqual(SERVICES.map(({ name }) => own(name)));
});

test("the audit log's read replica reaches it", () => {
  const { passed } = seen({ SKERRY_AUDIT_DATABASE_REPLICA_URL: own("replica") });
  expect(passed.auditDatabaseReplicaUrl).toBe(own("replica"));
});
