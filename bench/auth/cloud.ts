// The real auth service and its API with the audit log behind it, on a PostgreSQL of the run's own.
import { mkdtemp, rm } from "node:fs/promises";
import { join } from "node:path";
import { createAudit } from "../../apis/audit/service.ts";
import { type AuthApp, createAuthApp } from "../../apis/auth/app.ts";
import { type AuthService, createAuth } from "../../apis/auth/service.ts";
import { systemClock } from "../../std/clock.ts";
import { openDatabase } from "../../std/db/database.ts";
import { startEmbeddedPostgres } from "../../std/db/embedded.ts";
import { silentLog } from "../../std/log.ts";
import { systemRandom } from "../../std/random.ts";

export interface AuthCloud {
  auth: AuthService;
  app: AuthApp;
  /** A service as a process has it that has just started: it has seen no token. The caller closes it. */
  anotherService(): Promise<AuthService>;
  close(): Promise<void>;
}

/** Starts it in a new directory below `scratch`, which `close` removes. */
export async function startAuthCloud(scratch: string): Promise<AuthCloud> {
  const directory = await mkdtemp(join(scratch, "skerry-bench-auth-"));
  const server = await startEmbeddedPostgres({ directory: join(directory, "postgres"), log: silentLog });
  const env = { clock: systemClock, random: systemRandom, log: silentLog };
  const [sql, auditSql] = await Promise.all([
    openDatabase(server.url, "auth", env),
    openDatabase(server.url, "audit", env),
  ]);
  const kekPath = join(directory, "kek");
  const anotherService = () => createAuth({ ...env, sql, kekPath, issuer: "https://skerry.localhost" });
  const clusterSecret = systemRandom.bytes(16).toString("hex");
  const audit = await createAudit({ ...env, sql: auditSql, clusterSecret });
  const auth = await anotherService();
  return {
    auth,
    app: createAuthApp(auth, silentLog, { audit }),
    anotherService,
    async close() {
      await auth.close();
      await audit.close();
      await Promise.all([sql.end({ timeout: 1 }), auditSql.end({ timeout: 1 })]);
      await server.stop();
      await rm(directory, { recursive: true, force: true });
    },
  };
}
