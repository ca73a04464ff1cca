// For tests only: the audit log on a real PostgreSQL, with a clock whose timers run when the test says so.
import { type Clock, systemClock, type Timer } from "../../std/clock.ts";
import { type Database, openDatabase } from "../../std/db/database.ts";
import { startTestServer, type TestServer } from "../../std/db/test-server.ts";
import { silentLog } from "../../std/log.ts";
import type { AuditEvent } from "./entry.ts";
import { type AuditService, createAudit } from "./service.ts";

export const SECRET = "a cluster's secret";

/** Stands still until it is set forward, which runs the timers that are due. */
export class SetClock implements Clock {
  private ms = 1_800_000_000_000;
  private timers = new Set<{ at: number; run: () => void }>();

  now = () => this.ms;
  monotonic = () => this.ms;
  after = (ms: number, run: () => void): Timer => {
    const timer = { at: this.ms + ms, run };
    this.timers.add(timer);
    return { cancel: () => this.timers.delete(timer) };
  };

  /** Without running anything. */
  set(ms: number): void {
    this.ms = ms;
  }

  forward(ms: number): void {
    const until = this.ms + ms;
    for (;;) {
      const due = [...this.timers].filter(({ at }) => at <= until).sort((a, b) => a.at - b.at)[0];
      if (!due) break;
      this.timers.delete(due);
      this.ms = Math.max(this.ms, due.at);
      due.run();
    }
    this.ms = until;
  }
}

export class AuditBench {
  private readonly services: AuditService[] = [];
  private readonly pools: Database[] = [];
  private databases = 0;

  private constructor(readonly server: TestServer) {}

  static async start(): Promise<AuditBench> {
    return new AuditBench(await startTestServer());
  }

  /** A service with connections of its own; on the same database as others of that name. */
  async open(database = `audit${++this.databases}`, clock: Clock = systemClock) {
    const sql = await this.connect(database);
    const audit = await createAudit({ sql, clusterSecret: SECRET, clock, log: silentLog });
    this.services.push(audit);
    return { audit, sql, database };
  }

  async connect(database: string): Promise<Database> {
    const sql = await openDatabase(this.server.url, database, { log: silentLog });
    this.pools.push(sql);
    return sql;
  }

  /** The database refuses everybody, and drops whoever is connected. */
  async takeAway(database: string): Promise<void> {
    const sql = await this.connect("postgres");
    await sql`ALTER DATABASE ${sql(database)} ALLOW_CONNECTIONS false`;
    await sql`SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = ${database}`;
  }

  async giveBack(database: string): Promise<void> {
    const sql = await this.connect("postgres");
    await sql`ALTER DATABASE ${sql(database)} ALLOW_CONNECTIONS true`;
  }

  async stop(): Promise<void> {
    for (const audit of this.services) await audit.close();
    for (const sql of this.pools) await sql.end({ timeout: 1 });
    await this.server.remove();
  }
}

/** An allowed change by alice, but for `more`. */
export function event(more: Partial<AuditEvent> = {}): AuditEvent {
  return {
    actor: { kind: "user", id: "u1", name: "alice", credential: "session:s1" },
    action: "auth:CreateUser",
    resource: "arn:skerry:auth::u2:user/u2",
    outcome: "allowed",
    source: "192.0.2.1",
    userAgent: "test",
    requestId: "r1",
    ...more,
  };
}

/** Resolves once `look` tells something; fails after 20 s. */
export async function eventually<T>(look: () => Promise<T | undefined | false>): Promise<T> {
  const until = systemClock.monotonic() + 20_000;
  while (systemClock.monotonic() < until) {
    const seen = await look();
    if (seen) return seen;
    await Bun.sleep(5);
  }
  throw new Error("it did not come about");
}
