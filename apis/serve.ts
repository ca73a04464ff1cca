// All APIs of one process, wired to the master, the chunkservers and the database. The edge mounts them in its own
// process; the role `apis` serves the same by HTTP.
import { mkdir } from "node:fs/promises";
import { dirname } from "node:path";
import { Hono } from "hono";
import type { LocalHost } from "../chunkd/client/local-reads.ts";
import { ChunkReader } from "../chunkd/client/reader.ts";
import { ChunkWriter } from "../chunkd/client/writer.ts";
import type { ClusterSecrets } from "../chunkd/protocol/handshake.ts";
import { connectMaster, type MasterClient } from "../masterd/client/client.ts";
import type { MasterMethods } from "../masterd/protocol/messages.ts";
import type { Clock } from "../std/clock.ts";
import { type Database, openDatabase, replicaPool } from "../std/db/database.ts";
import type { Log } from "../std/log.ts";
import type { Metrics } from "../std/metrics.ts";
import type { Address, Net } from "../std/net.ts";
import type { Random } from "../std/random.ts";
import { createAuditApp } from "./audit/app.ts";
import { OPERATOR } from "./audit/entry.ts";
import { type AuditService, createAudit } from "./audit/service.ts";
import { decideByAuth } from "./audit-access.ts";
import { createAdminApp, createAuthApp } from "./auth/app.ts";
import { type AuthService, createAuth } from "./auth/service.ts";
import { createEventsApp } from "./events/app.ts";
import { type OpenBus, openBus } from "./events/open-bus.ts";
import type { Origin } from "./gateway-trust.ts";
import { describeApis } from "./metrics.ts";
import type { ServiceDatabases } from "./service-databases.ts";
import { SERVICE_NAMES } from "./service-names.ts";
import { createStorageApp } from "./storage/app.ts";
import { createChunkserverApp } from "./storage/chunkservers.ts";
import { ObjectStore } from "./storage/objects.ts";
import { RecentReader } from "./storage/recent-reader.ts";
import { settleRemovedUsers } from "./storage/removed-users.ts";
import { createS3 } from "./storage/s3/handler.ts";
import type { S3Handler } from "./storage/s3/http.ts";
import { S3Stats } from "./storage/s3/stats.ts";

/** Answers a request that came from `origin`. */
export type ApiFetch = (request: Request, origin: Origin) => Response | Promise<Response>;

/** What a gateway needs of the APIs, wherever they run. */
export interface Apis {
  /** By name, each with paths from its own root: for an API that has a host of its own. */
  readonly services: ReadonlyMap<string, ApiFetch>;
  /** The same services at `/api/<name>/...`. A Request with another URL would buffer its whole body under Bun. */
  readonly mounted: ApiFetch;
  readonly s3: S3Handler;
  /** Why requests cannot be served now, a sentence each; empty when they can. */
  problems(): Promise<string[]>;
  close(): Promise<void>;
}

/** The APIs in this process. */
export interface MountedApis extends Apis {
  /** The auth API with every request an administrator's: only for a door that only the operator can open. */
  readonly admin: ApiFetch;
  /** The audit log's API at `/audit/...`, every request the operator's: for the same door. */
  readonly audit: ApiFetch;
  /** The events' API at `/events/...`, every request the operator's: for the same door. */
  readonly events: ApiFetch;
  /** The operator's calls about chunkservers: for the same door. */
  readonly chunkservers: (request: Request) => Response | Promise<Response>;
  storageStatus(): Promise<MasterMethods["status"]["response"]>;
  /** Adds what these APIs count. */
  describe(metrics: Metrics): void;
}

export interface ApisConfig {
  master: Address;
  secrets: ClusterSecrets;
  databases: ServiceDatabases;
  /** Of a read replica of the audit log's database. */
  auditReplicaUrl?: string;
  /** Whether changes to single objects are recorded. */
  auditObjects: boolean;
  /** File of the key that seals secrets in the database; made on the first start. */
  kekPath: string;
  domain: string;
  /** What S3 signatures name, e.g. "us-east-1". */
  region: string;
  /** This process's name in the logs of master and chunkservers. */
  id: string;
  /** This machine, where chunkservers on it may be read in place. */
  local?: LocalHost;
}

export interface ApisEnvironment {
  clock: Clock;
  net: Net;
  random: Random;
  log: Log;
}

/** A look at health gives up on master or database after this, ms. */
const HEALTH_TIMEOUT_MS = 2_000;

/** Opens everything; rejects where the database cannot be used, and waits for a master that is only starting. */
export async function startApis(env: ApisEnvironment, config: ApisConfig): Promise<MountedApis> {
  const { log } = env;
  await mkdir(dirname(config.kekPath), { recursive: true, mode: 0o700 });
  const sql = await openDatabase(config.databases.auth, "auth", { log, clock: env.clock });
  const issuer = `https://${config.domain}`;
  const [auth, events] = await Promise.all([
    createAuth({ ...env, sql, kekPath: config.kekPath, issuer }),
    openBus(env, config.databases.events),
  ]);
  const { id, secrets } = config;
  const auditSql = await openDatabase(config.databases.audit, "audit", { log, clock: env.clock });
  const { auditReplicaUrl, auditObjects: objects } = config;
  const replica = auditReplicaUrl === undefined ? undefined : replicaPool(auditReplicaUrl, "audit", log);
  const { clusterSecret } = secrets;
  const audit = await createAudit({ ...env, sql: auditSql, replica, clusterSecret, objects });
  const master = connectMaster(env, { address: config.master, secrets, id });
  const writer = new ChunkWriter(env, secrets, master, { id, host: config.local?.host });
  const reader = new ChunkReader(env, secrets, master, { id, local: config.local });
  const recent = new RecentReader(reader);
  const store = new ObjectStore({ master, writer, reader: recent, clock: env.clock });
  await events.bus.relay(sql);
  settleRemovedUsers(events.bus, { store, hasUser: (id) => auth.hasUser(id), log });
  const pools = [sql, auditSql, ...(replica ? [replica] : [])];
  const parts: Parts = { events, sql, auth, pools, audit, master, writer, reader };
  const s3Stats = new S3Stats();
  const bucketOwner = async (bucket: string) => (await store.bucket(bucket).catch(() => undefined))?.owner;
  const ownsBuckets = async (owner: string) =>
    (await master.listBuckets({ owner, max: 1 })).buckets.length > 0;
  const adminApp = createAdminApp(auth, log, { bucketOwner, ownsBuckets, audit });
  const authApp = createAuthApp(auth, log, { bucketOwner, ownsBuckets, audit });
  const storageApp = createStorageApp({ ...env, store, sessions: auth, access: auth.access, audit });
  const auditApp = createAuditApp({ audit, decide: decideByAuth(auth), log });
  const byOperator = async () => ({ allowed: true, actor: OPERATOR }) as const;
  const operatorsAudit = createAuditApp({ audit, decide: byOperator, log });
  const { bus } = events;
  const eventsParts = { bus, audit, clock: env.clock, log };
  const eventsApp = createEventsApp({ ...eventsParts, decide: decideByAuth(auth) });
  const operatorsEvents = createEventsApp({ ...eventsParts, decide: byOperator });
  const adminAudit = new Hono<{ Bindings: Origin }>().route("/audit", operatorsAudit);
  const adminEvents = new Hono<{ Bindings: Origin }>().route("/events", operatorsEvents);
  const apps = { audit: auditApp, auth: authApp, events: eventsApp, storage: storageApp };
  const mounted = new Hono<{ Bindings: Origin }>().notFound(() => noSuchApi());
  for (const name of SERVICE_NAMES) mounted.route(`/api/${name}`, apps[name] as Hono);
  return {
    mounted: (request, origin) => mounted.fetch(request, origin),
    services: new Map<string, ApiFetch>(
      SERVICE_NAMES.map((name) => [name, (request, origin) => apps[name].fetch(request, origin)]),
    ),
    s3: createS3({
      keyring: auth,
      access: auth.access,
      audit,
      region: config.region,
      clock: env.clock,
      log,
      store,
      stats: s3Stats,
    }),
    describe: (metrics) => describeApis(metrics, { s3: s3Stats, reads: reader.stats, recent, audit }),
    admin: (request, origin) => adminApp.fetch(request, origin),
    audit: (request, origin) => adminAudit.fetch(request, origin),
    events: (request, origin) => adminEvents.fetch(request, origin),
    chunkservers: createChunkserverApp(master).fetch,
    storageStatus: () => master.status(null),
    problems: () => findProblems(parts, env.clock),
    close: () => closeAll(parts),
  };
}

/** In the form of all our JSON errors. */
export function noSuchApi(): Response {
  const error = { code: "not_found", message: "There is no such API" };
  return Response.json({ error }, { status: 404, headers: { "cache-control": "no-store" } });
}

interface Parts {
  events: OpenBus;
  sql: Database;
  auth: AuthService;
  /** To be closed behind everything that uses them. */
  pools: Database[];
  audit: AuditService;
  master: MasterClient & { close(): void };
  writer: ChunkWriter;
  reader: ChunkReader;
}

async function findProblems({ master, sql }: Parts, clock: Clock): Promise<string[]> {
  const looks: [string, Promise<unknown>][] = [
    ["the storage master does not answer", master.listBuckets({ max: 1 })],
    ["the database does not answer", sql`SELECT 1`],
  ];
  const found = await Promise.all(
    looks.map(async ([problem, look]) => ((await answersInTime(look, clock)) ? [] : [problem])),
  );
  return found.flat();
}

async function answersInTime(look: Promise<unknown>, clock: Clock): Promise<boolean> {
  const late = Promise.withResolvers<boolean>();
  const timer = clock.after(HEALTH_TIMEOUT_MS, () => late.resolve(false));
  const answered = look.then(
    () => true,
    () => false,
  );
  const inTime = await Promise.race([answered, late.promise]);
  timer.cancel();
  return inTime;
}

/** The bus first, which uses all the rest; then the writer: it still has leases to give back to the master. */
async function closeAll(parts: Parts): Promise<void> {
  const { events, auth, pools, audit, master, writer, reader } = parts;
  await events.close();
  await writer.close();
  await reader.close();
  master.close();
  await auth.close();
  await audit.close();
  await Promise.all(pools.map((pool) => pool.end({ timeout: 1 })));
}
