// A Skerry of the run's own: a fresh data directory, free ports, stopped and removed at the end.
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import type { Credentials } from "../../apis/storage/s3/auth/sign.ts";
import { readyLine, stopProcess } from "./ready-line.ts";

const SHIM = join(import.meta.dir, "../../skerry");
/** A first start makes a database and an admin user. */
const READY_TIMEOUT_MS = 120_000;
const STOP_TIMEOUT_MS = 15_000;

export interface Throwaway {
  /** Its data directory. */
  directory: string;
  endpoint: string;
  region: string;
  credentials: Credentials;
  stop(): Promise<void>;
}

interface CredentialsFile {
  s3: { endpoint: string; region: string; accessKeyId: string; secretAccessKey: string };
}

/** Starts `./skerry up` with its data in a new directory below `scratch`. Rejects with `StartError`. */
export async function startThrowaway(scratch: string): Promise<Throwaway> {
  const directory = await mkdtemp(join(scratch, "skerry-bench-"));
  const ports = ["https", "http", "s3", "ssh"].flatMap((name) => [`--${name}-port`, "0"]);
  const child = Bun.spawn([SHIM, "up", "--data", directory, ...ports], {
    stdin: "ignore",
    stdout: "pipe",
    stderr: "pipe",
    // Ctrl-C must reach this process alone, which then stops the product in order.
    detached: true,
  });
  async function stop(): Promise<void> {
    await stopProcess(child, STOP_TIMEOUT_MS);
    await rm(directory, { recursive: true, force: true });
  }
  try {
    await readyLine("skerry up", child, /^ready .*/m, READY_TIMEOUT_MS);
    const text = await readFile(join(directory, "credentials.json"), "utf8");
    const { s3 } = JSON.parse(text) as CredentialsFile;
    return { directory, endpoint: s3.endpoint, region: s3.region, credentials: s3, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}
