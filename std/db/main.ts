// The role `postgres`: one embedded server under a supervisor.
import { parseConfig, text } from "../config.ts";
import { jsonLog } from "../log.ts";
import { stopRequested } from "../stop-request.ts";
import { startEmbeddedPostgres } from "./embedded.ts";

export const SETTINGS = {
  dir: text("directory of the PostgreSQL cluster; made on the first start", "DIR"),
};

const KEEP_ALIVE_MS = 60_000;

/**
 * Runs PostgreSQL on --dir until SIGTERM, SIGINT, or (supervised) the end of stdin, then stops it. Prints
 * `{"event":"ready","url":...,"pid":...}` when it takes connections; the url holds the password. Ends with code 1 when
 * the server ends by itself, so that the supervisor starts the role again.
 */
export async function main(argv: string[], environment: Record<string, string | undefined>): Promise<void> {
  const { config } = parseConfig(SETTINGS, argv, environment);
  const log = jsonLog((line) => process.stderr.write(line)).with({ role: "postgres" });
  // Timers of the clock do not keep a process alive, so nothing would while an earlier run's servers are awaited.
  setInterval(() => {}, KEEP_ALIVE_MS);
  const stop = stopRequested(environment);
  const server = await startEmbeddedPostgres({ directory: config.dir, log });
  process.stdout.write(`${JSON.stringify({ event: "ready", url: server.url, pid: server.pid })}\n`);
  const ended = await Promise.race([stop, server.exited]);
  if (typeof ended === "string") {
    log.info("stopping", { reason: ended });
    await server.stop();
    process.exit(0);
  }
  log.error("PostgreSQL ended by itself", { code: ended });
  process.exit(1);
}
