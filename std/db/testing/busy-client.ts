// For tests only: a process with transactions under way all the time, which tells of each that fails, and ends when it is told to.
import { silentLog } from "../../log.ts";
import { openDatabase } from "../database.ts";

const AT_ONCE = 8;

/** Prints "ready"; told anything, it stops, prints {"failures","first","second"} and ends. */
export function startBusyClient(url: string): Bun.Subprocess<"pipe", "pipe", "pipe"> {
  return Bun.spawn([process.execPath, import.meta.path, url], {
    stdin: "pipe",
    stdout: "pipe",
    stderr: "pipe",
  });
}

if (import.meta.main) await main(process.argv[2]!);

async function main(url: string): Promise<void> {
  const sql = await openDatabase(url, "busy", { log: silentLog });
  await sql`CREATE TABLE IF NOT EXISTS rows (id bigint GENERATED ALWAYS AS IDENTITY, half integer)`;
  let stopped = false;
  let failures = 0;

  /** Both halves of a pair, or neither. */
  async function write(): Promise<void> {
    while (!stopped) {
      try {
        await sql.begin(async (transaction) => {
          await transaction`INSERT INTO rows (half) VALUES (1)`;
          // A handler that goes on whatever became of its statements, as one behind a Promise.all does.
          await transaction`SELECT pg_sleep(0.001)`.catch(() => {});
          await Bun.sleep(1);
          await transaction`INSERT INTO rows (half) VALUES (2)`;
        });
      } catch {
        failures++;
        await Bun.sleep(1);
      }
    }
  }

  const writers = Array.from({ length: AT_ONCE }, write);
  console.log("ready");
  process.stdin.once("data", async () => {
    stopped = true;
    await Promise.all(writers);
    const [row] = await sql`
      SELECT count(*) FILTER (WHERE half = 1)::int AS first, count(*) FILTER (WHERE half = 2)::int AS second FROM rows`;
    console.log(JSON.stringify({ failures, ...row }));
    await sql.end({ timeout: 1 });
    process.exit(0);
  });
}
