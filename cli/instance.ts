// Who serves a data directory now: a lock that the kernel drops with the process, and a file that tells the rest.
import { readFileSync, renameSync, writeFileSync } from "node:fs";
import { type DiskLock, systemDisk } from "../std/disk.ts";
import { CommandError } from "./command.ts";
import type { DataDirectory } from "./data-directory.ts";
import type { RoleStatus } from "./supervisor/managed-role.ts";
import { identify, isRunning, type ProcessIdentity, signal } from "./supervisor/process-identity.ts";

export interface RoleRecord extends RoleStatus {
  /** Tells the process from a later one with the same pid. */
  startTime?: string;
}

export interface Urls {
  console: string;
  s3: string;
  /** Lists the metrics of all roles; on loopback alone. */
  metrics: string;
}

/** `run/supervisor.json`. */
export interface InstanceState extends ProcessIdentity {
  version: string;
  /** ms since the epoch. */
  startedAt: number;
  /** Present once `up` has said that it is ready. */
  urls?: Urls;
  /** Where the storage master answers frames, once it was ready. */
  masterAddress?: string;
  roles: RoleRecord[];
}

const POLL_MS = 50;

/** What the last supervisor wrote, whether it runs or not. */
export function readState(data: DataDirectory): InstanceState | undefined {
  try {
    return JSON.parse(readFileSync(data.stateFile, "utf8")) as InstanceState;
  } catch {
    return undefined;
  }
}

/** The state of the supervisor that runs on `data`, or undefined where none does. */
export function runningState(data: DataDirectory): InstanceState | undefined {
  const state = readState(data);
  return state && isRunning(state) ? state : undefined;
}

/** Replaces the state file. It describes processes, so it need not outlive a power loss. */
export function writeState(data: DataDirectory, state: InstanceState): void {
  const temporary = `${data.stateFile}.new`;
  const roles = state.roles.map((role) => ({
    ...role,
    startTime: role.pid && identify(role.pid)?.startTime,
  }));
  writeFileSync(temporary, `${JSON.stringify({ ...state, roles }, null, 1)}\n`, { mode: 0o600 });
  renameSync(temporary, data.stateFile);
}

/** Makes this process the one that serves `data`; throws {@link CommandError} that names the one that does. */
export async function lockInstance(data: DataDirectory): Promise<DiskLock> {
  try {
    return await systemDisk.lock(data.lockFile);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EWOULDBLOCK") throw error;
    const holder = runningState(data);
    throw new CommandError(
      `${data.path} is already served${holder ? ` by pid ${holder.pid}` : ""}; stop it with: skerry stop --data ${data.path}`,
    );
  }
}

/**
 * Ends what a supervisor that died left behind. Roles end by themselves when they lose it; those that have not within
 * `patienceMs` are killed.
 */
export async function endLeftovers(data: DataDirectory, patienceMs: number): Promise<number> {
  const left = leftovers(data);
  for (const role of left) signal(role, "SIGTERM");
  if (!(await goneWithin(left, patienceMs))) {
    for (const role of left) signal(role, "SIGKILL");
    await goneWithin(left, patienceMs);
  }
  return left.length;
}

/** Roles of the last supervisor that still run. */
export function leftovers(data: DataDirectory): ProcessIdentity[] {
  return (readState(data)?.roles ?? []).flatMap(({ pid, startTime }) =>
    pid !== undefined && startTime !== undefined && isRunning({ pid, startTime }) ? [{ pid, startTime }] : [],
  );
}

/** Whether all of `processes` are gone before `ms` are over. */
export async function goneWithin(processes: readonly ProcessIdentity[], ms: number): Promise<boolean> {
  const until = performance.now() + ms;
  while (processes.some(isRunning)) {
    if (performance.now() > until) return false;
    await Bun.sleep(POLL_MS);
  }
  return true;
}
