import { readFileSync } from "node:fs";

/** A process as it can be told from a later one that has got the same number. */
export interface ProcessIdentity {
  pid: number;
  /** When it was started, in the system's own words; compared, never read. */
  startTime: string;
}

/** The identity of the process `pid` that runs now; undefined where there is none, or only its remains. */
export function identify(pid: number): ProcessIdentity | undefined {
  const startTime = process.platform === "linux" ? linuxStartTime(pid) : psStartTime(pid);
  return startTime === undefined ? undefined : { pid, startTime };
}

export function isRunning({ pid, startTime }: ProcessIdentity): boolean {
  return identify(pid)?.startTime === startTime;
}

/** Sends `signal` unless the process is gone. Throws where this user may not. */
export function signal(identity: ProcessIdentity, name: "SIGTERM" | "SIGKILL"): void {
  if (!isRunning(identity)) return;
  try {
    process.kill(identity.pid, name);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
  }
}

/** proc(5): the fields behind the command's name, which is in parentheses and may hold anything. */
function statFields(pid: number): string[] | undefined {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, "utf8");
    return text.slice(text.lastIndexOf(")") + 2).split(" ");
  } catch {
    return undefined;
  }
}

function linuxStartTime(pid: number): string | undefined {
  const fields = statFields(pid);
  // Field 3 is the state (Z: dead, not yet waited for), field 22 the start in ticks since the boot.
  return fields === undefined || fields[0] === "Z" || fields[0] === "X" ? undefined : fields[19];
}

function psStartTime(pid: number): string | undefined {
  const { stdout, exitCode } = Bun.spawnSync(["ps", "-o", "lstart=", "-p", String(pid)]);
  return exitCode === 0 ? stdout.toString().trim() || undefined : undefined;
}

/** Resident memory of a process in bytes, or undefined where it is not known. */
export function residentBytes(pid: number): number | undefined {
  if (process.platform !== "linux") {
    const { stdout, exitCode } = Bun.spawnSync(["ps", "-o", "rss=", "-p", String(pid)]);
    return exitCode === 0 ? Number(stdout.toString().trim()) * 1024 : undefined;
  }
  const pages = statFields(pid)?.[21];
  return pages === undefined ? undefined : Number(pages) * PAGE_SIZE;
}

/** Bun has no getpagesize; all Linux systems that it runs on but some arm64 ones use this. */
const PAGE_SIZE = 4096;
