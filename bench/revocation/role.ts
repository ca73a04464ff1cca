// One role of a cloud as a process, started as in a cluster: by flags and variables, without `up`.
import { join } from "node:path";
import { readyLine, stopProcess } from "../storage/ready-line.ts";

const SHIM = join(import.meta.dir, "../../skerry");
/** A database of its own is made at the first start. */
const READY_TIMEOUT_MS = 120_000;
const STOP_TIMEOUT_MS = 10_000;

export interface Role {
  /** Addresses and URLs of its ready line. */
  ready: Readonly<Record<string, unknown>>;
  stop(): Promise<void>;
}

/** Starts `./skerry NAME` and waits until it is ready. It also ends with this process. Rejects with `StartError`. */
export async function startRole(
  name: string,
  flags: Readonly<Record<string, string>>,
  variables: Readonly<Record<string, string>> = {},
): Promise<Role> {
  const words = Object.entries(flags).map(([flag, value]) => `--${flag}=${value}`);
  const child = Bun.spawn([SHIM, name, ...words], {
    env: { ...process.env, ...variables, SKERRY_SUPERVISED: "1" },
    stdin: "pipe",
    stdout: "pipe",
    stderr: "pipe",
    // Ctrl-C must reach this process alone, which then stops the roles in order.
    detached: true,
  });
  const stop = () => stopProcess(child, STOP_TIMEOUT_MS);
  try {
    const line = await readyLine(name, child, /^\{"event":"ready".*\}$/m, READY_TIMEOUT_MS);
    return { ready: JSON.parse(line), stop };
  } catch (error) {
    await stop();
    throw error;
  }
}
