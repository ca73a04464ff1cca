// The most memory that each process of a Skerry has ever had, from its supervisor's state and the kernel's books.
import { readFileSync } from "node:fs";
import { join } from "node:path";

export interface PeakMemory {
  role: string;
  /** Resident, at its highest since the process started. */
  peakBytes: number;
}

/** Of the roles that serve the data directory now; empty where the kernel does not tell (other than Linux). */
export function peakMemory(dataDirectory: string): PeakMemory[] {
  const state = JSON.parse(readFileSync(join(dataDirectory, "run/supervisor.json"), "utf8")) as {
    roles: { name: string; pid?: number }[];
  };
  return state.roles.flatMap(({ name, pid }) => {
    const peakBytes = pid === undefined ? undefined : highWater(pid);
    return peakBytes === undefined ? [] : [{ role: name, peakBytes }];
  });
}

function highWater(pid: number): number | undefined {
  try {
    const kilobytes = /^VmHWM:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1];
    return kilobytes === undefined ? undefined : Number(kilobytes) * 1024;
  } catch {
    return undefined;
  }
}
