import { readdir, readFile, readlink, realpath } from "node:fs/promises";
import { basename, join } from "node:path";
import type { Clock } from "../clock.ts";
import { delay } from "../clock.ts";
import type { Log } from "../log.ts";

const POLL_MS = 20;
/** Fast shutdown of an idle server takes well under a second; a checkpoint of 256 MB of WAL may take some. */
const INTERRUPT_WAIT_MS = 8_000;
const KILL_WAIT_MS = 5_000;

/**
 * Stops the PostgreSQL processes of `dataDirectory` that an earlier launcher left behind when it was killed. A process
 * is ours when it is a `postgres` whose working directory is that directory (every backend changes there), so
 * a pid that now belongs to another program is never touched.
 */
export async function stopLeftovers(dataDirectory: string, clock: Clock, log: Log): Promise<void> {
  const data = await realpath(dataDirectory);
  const left = await serverProcesses(data);
  if (left.length === 0) return;
  log.warn("stopping PostgreSQL processes of an earlier run", { count: left.length });
  const postmaster = await recordedPostmaster(data);
  // Only the postmaster is asked: its children take SIGINT for other things, and end by themselves without it.
  signalAll(
    left.filter((pid) => pid === postmaster),
    "SIGINT",
  );
  if (await gone(data, clock, INTERRUPT_WAIT_MS)) return;
  signalAll(await serverProcesses(data), "SIGKILL");
  await gone(data, clock, KILL_WAIT_MS);
}

/** Pids of the running `postgres` processes that work in `data` (a real path). */
export async function serverProcesses(data: string): Promise<number[]> {
  const pids = (await readdir("/proc")).filter((name) => /^\d+$/.test(name));
  const checked = await Promise.all(
    pids.map(async (pid) => ((await worksIn(pid, data)) ? [Number(pid)] : [])),
  );
  return checked.flat();
}

async function worksIn(pid: string, data: string): Promise<boolean> {
  try {
    if ((await readlink(`/proc/${pid}/cwd`)) !== data) return false;
    return basename(await readlink(`/proc/${pid}/exe`)).startsWith("postgres");
  } catch {
    // The process ended meanwhile, or belongs to a user whose links we may not read: not ours either way.
    return false;
  }
}

/** The first line of postmaster.pid, or undefined. */
async function recordedPostmaster(data: string): Promise<number | undefined> {
  const text = await readFile(join(data, "postmaster.pid"), "utf8").catch(() => "");
  return Number(text.split("\n")[0]) || undefined;
}

function signalAll(pids: number[], signal: NodeJS.Signals): void {
  for (const pid of pids) {
    try {
      process.kill(pid, signal);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
    }
  }
}

async function gone(data: string, clock: Clock, waitMs: number): Promise<boolean> {
  const until = clock.monotonic() + waitMs;
  while (clock.monotonic() < until) {
    if ((await serverProcesses(data)).length === 0) return true;
    await delay(clock, POLL_MS);
  }
  return false;
}
