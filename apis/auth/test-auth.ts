// For tests only: the auth service on a real PostgreSQL, with a clock that can be set forward.
import { join } from "node:path";
import { type Clock, systemClock, type Timer } from "../../std/clock.ts";
import { type Database, openDatabase } from "../../std/db/database.ts";
import { startTestServer, type TestServer } from "../../std/db/test-server.ts";
import { type Log, silentLog } from "../../std/log.ts";
import { systemRandom } from "../../std/random.ts";
import { BEAT_MS } from "./change-feed.ts";
import { AuthError, type AuthErrorCode } from "./errors.ts";
import { type AuthService, createAuth } from "./service.ts";
import type { Client } from "./sessions/client.ts";
import type { SignedIn } from "./sessions/sessions.ts";

export const ISSUER = "https://cloud.test";
export const PASSWORD = "correct horse battery";

/** The system's clock, some ms ahead; set back, its monotonic side stays where it was. Its timers are real. */
export class AheadClock implements Clock {
  aheadMs = 0;
  private mostAheadMs = 0;
  now = () => systemClock.now() + this.aheadMs;
  monotonic = () => {
    this.mostAheadMs = Math.max(this.mostAheadMs, this.aheadMs);
    return systemClock.monotonic() + this.mostAheadMs;
  };
  after = (ms: number, run: () => void): Timer => systemClock.after(ms, run);
}

/** Its beats are the test's to make, by calling `beat`: without them a process is up to date for a while only. */
export class QuietClock extends AheadClock {
  beat: (() => void) | undefined;
  override after = (ms: number, run: () => void): Timer => {
    if (ms !== BEAT_MS) return systemClock.after(ms, run);
    this.beat = run;
    return { cancel() {} };
  };
}

export class AuthBench {
  readonly clock = new AheadClock();
  private readonly services: AuthService[] = [];
  private readonly pools: Database[] = [];
  private databases = 0;

  private constructor(readonly server: TestServer) {}

  static async start(): Promise<AuthBench> {
    return new AuthBench(await startTestServer());
  }

  get kekPath(): string {
    return join(this.server.directory, "auth/kek");
  }

  /** A service of its own connections; on the same database as others of that name. */
  async open(
    database = `auth${++this.databases}`,
    options: { kekPath?: string; issuer?: string; log?: Log; clock?: Clock } = {},
  ) {
    const sql = await this.connect(database);
    const auth = await createAuth({
      sql,
      kekPath: options.kekPath ?? `${this.kekPath}-${database}`,
      issuer: options.issuer ?? ISSUER,
      clock: options.clock ?? this.clock,
      random: systemRandom,
      log: options.log ?? silentLog,
    });
    this.services.push(auth);
    return { auth, sql, database };
  }

  async connect(database: string): Promise<Database> {
    const sql = await openDatabase(this.server.url, database, { log: silentLog });
    this.pools.push(sql);
    return sql;
  }

  async stop(): Promise<void> {
    for (const auth of this.services) await auth.close();
    for (const sql of this.pools) await sql.end({ timeout: 1 });
    await this.server.remove();
  }
}

/** The code that `work` is refused with; fails where it is not. */
export async function refusal(work: Promise<unknown>): Promise<AuthErrorCode> {
  try {
    await work;
  } catch (error) {
    if (error instanceof AuthError) return error.code;
    throw error;
  }
  throw new Error("it was not refused");
}

/** A client at `source`. */
export function from(source: string): Client {
  return { source, userAgent: "test" };
}

/** What signing in with a password alone gives; fails where more is asked for. */
export async function signedIn(
  auth: AuthService,
  name: string,
  password = PASSWORD,
  client = from("192.0.2.1"),
): Promise<SignedIn> {
  const result = await auth.signIn(name, password, client);
  if ("secondFactor" in result) throw new Error("a second factor is asked for");
  return result;
}

/** The token of a new session. */
export async function tokenOf(auth: AuthService, name: string, password = PASSWORD): Promise<string> {
  return (await signedIn(auth, name, password)).token;
}
