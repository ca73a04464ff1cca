// The roles of a running cloud as processes: their ids, their memory and their files, and faults done to them.
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Skerry } from "./skerry.ts";

/** As the supervisor last wrote it down; undefined while there is no such process. */
export function pidOf(cloud: Skerry, role: string): number | undefined {
  const state = JSON.parse(readFileSync(join(cloud.directory, "run/supervisor.json"), "utf8")) as {
    roles: { name: string; pid?: number }[];
  };
  return state.roles.find(({ name }) => name === role)?.pid;
}

/** The process of a role that runs. */
export function processOf(cloud: Skerry, role: string): number {
  const pid = pidOf(cloud, role);
  if (pid === undefined) throw new Error(`${role} does not run`);
  return pid;
}

export function residentBytes(pid: number): number {
  return memoryBytes(pid, "VmRSS");
}

/** The most that was resident since {@link forgetPeak}, or since the process was started. */
export function peakBytes(pid: number): number {
  return memoryBytes(pid, "VmHWM");
}

export function forgetPeak(pid: number): void {
  writeFileSync(`/proc/${pid}/clear_refs`, "5");
}

function memoryBytes(pid: number, field: "VmRSS" | "VmHWM"): number {
  const line = new RegExp(`^${field}:\\s+(\\d+) kB$`, "m").exec(readFileSync(`/proc/${pid}/status`, "utf8"));
  return Number(line?.[1] ?? 0) * 1024;
}

export function openFiles(pid: number): number {
  return readdirSync(`/proc/${pid}/fd`).length;
}

/** Stops the processes of `roles`, as if their hosts were off: nothing is refused, nothing answers. Ends with `using`. */
export function paused(cloud: Skerry, ...roles: string[]): Disposable {
  const pids = roles.map((role) => processOf(cloud, role));
  for (const pid of pids) process.kill(pid, "SIGSTOP");
  return {
    [Symbol.dispose]() {
      for (const pid of pids) process.kill(pid, "SIGCONT");
    },
  };
}

/** Lets the process have no more than `most` files open. Ends with `using`. */
export function withFileLimit(pid: number, most: number): Disposable {
  const limits = readFileSync(`/proc/${pid}/limits`, "utf8");
  const [, before] = /^Max open files\s+(\d+)/m.exec(limits)!;
  limit(pid, most);
  return { [Symbol.dispose]: () => limit(pid, Number(before)) };
}

function limit(pid: number, most: number): void {
  const { exitCode, stderr } = Bun.spawnSync(["prlimit", `--pid=${pid}`, `--nofile=${most}:`]);
  if (exitCode !== 0) throw new Error(`prlimit: ${stderr}`);
}
