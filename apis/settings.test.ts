import { expect, test } from "bun:test";
import { parseConfig } from "../std/config.ts";
import { API_SETTINGS, apisConfig } from "./settings.ts";

const GIVEN = ["--master", "127.0.0.1:9000", "--cluster", "/none/cluster.json", "--kek", "/none/kek"];
const SERVER = "postgres://u:p@127.0.0.1:5432";

/** Why these database URLs are refused; the cluster file is looked at after them. */
async function refusal(environment: Record<string, string>): Promise<string> {
  const { config } = parseConfig(API_SETTINGS, GIVEN, environment);
  return apisConfig(config).then(
    () => "not refused",
    (error: Error) => error.message,
  );
}

test("auth, the audit log and the event bus do not share one database", async () => {
  const cluster = "/none/cluster.json";
  const auth = "--auth-database-url";
  const audit = "--audit-database-url";
  const events = "--events-database-url";
  const nats = "nats://127.0.0.1:4222";
  const table: [
    urls: { database?: string; auth?: string; audit?: string; events?: string; nats?: string },
    expected: string,
  ][] = [
    [{ database: SERVER }, cluster],
    [{ database: `${SERVER}/` }, cluster],
    [{ database: `${SERVER}/a` }, audit],
    [{ database: `${SERVER}/a`, audit: `${SERVER}/a` }, audit],
    [{ database: SERVER, audit: "mysql://x" }, audit],
    [{ database: `${SERVER}/a`, audit: `${SERVER}/b` }, events],
    [{ database: `${SERVER}/a`, audit: SERVER }, events],
    [{ database: SERVER, audit: `${SERVER}/b`, events: `${SERVER}/b` }, events],
    [{ database: SERVER, events: "mysql://x" }, events],
    [{ database: `${SERVER}/a`, audit: `${SERVER}/b`, events: SERVER }, cluster],
    [{ database: `${SERVER}/a`, audit: `${SERVER}/b`, nats }, cluster],
    [{ database: SERVER, events: SERVER, nats }, events],
    [{ database: SERVER, nats: "http://127.0.0.1:4222" }, "--nats-url"],
    [{ database: SERVER, auth: `${SERVER}/a` }, cluster],
    [{ database: SERVER, auth: `${SERVER}/a`, audit: `${SERVER}/a` }, audit],
    [{ database: `${SERVER}/a`, auth: SERVER, audit: SERVER }, cluster],
    [{ database: SERVER, auth: "https://x" }, auth],
    [{ auth: SERVER, audit: SERVER, nats }, cluster],
    [{ auth: SERVER, audit: SERVER }, events],
    [{ audit: SERVER, events: SERVER }, auth],
  ];
  for (const [{ database, auth, audit, events, nats }, expected] of table) {
    const environment = {
      ...(database !== undefined && { SKERRY_DATABASE_URL: database }),
      ...(auth !== undefined && { SKERRY_AUTH_DATABASE_URL: auth }),
      ...(audit !== undefined && { SKERRY_AUDIT_DATABASE_URL: audit }),
      ...(events !== undefined && { SKERRY_EVENTS_DATABASE_URL: events }),
      ...(nats !== undefined && { SKERRY_NATS_URL: nats }),
    };
    expect(await refusal(environment)).toContain(expected);
  }
});
