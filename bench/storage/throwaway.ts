// A Skerry of the run's own: a fresh data directory, free ports, stopped and removed at the end.
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import type { Credentials } from "../../apis/storage/s3/auth/sign.ts";

const SHIM = join(import.meta.dir, "../../skerry");
/** A first start makes a database and an admin user. */
const READY_TIMEOUT_MS = 120_000;
const STOP_TIMEOUT_MS = 15_000;
/** What is kept of its output for the message when it does not start, characters. */
const OUTPUT_KEPT = 4000;

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

/** The product did not start; the message has what it printed last. */
export class StartError extends Error {
  override name = "StartError";
}

/** Starts `./skerry up` with its data in a new directory below `scratch`. Throws {@link StartError}. */
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
    child.kill("SIGTERM");
    const timer = setTimeout(() => child.kill("SIGKILL"), STOP_TIMEOUT_MS);
    await child.exited;
    clearTimeout(timer);
    await rm(directory, { recursive: true, force: true });
  }
  try {
    await untilReady(child.stdout, child.stderr, child.exited);
    const text = await readFile(join(directory, "credentials.json"), "utf8");
    const { s3 } = JSON.parse(text) as CredentialsFile;
    return { directory, endpoint: s3.endpoint, region: s3.region, credentials: s3, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** Resolves at the line that begins with `ready `; goes on reading, so that the product never blocks on its output. */
async function untilReady(
  stdout: ReadableStream<Uint8Array>,
  stderr: ReadableStream<Uint8Array>,
  exited: Promise<number>,
): Promise<void> {
  const ready = Promise.withResolvers<void>();
  let kept = "";
  const follow = async (stream: ReadableStream<Uint8Array>): Promise<void> => {
    const decoder = new TextDecoder();
    for await (const bytes of stream) {
      kept = (kept + decoder.decode(bytes, { stream: true })).slice(-OUTPUT_KEPT);
      if (/^ready /m.test(kept)) ready.resolve();
    }
  };
  void follow(stdout);
  void follow(stderr);
  const fail = (what: string) => ready.reject(new StartError(`${what}. It printed last:\n${kept}`));
  void exited.then((code) => fail(`skerry up ended with ${code}`));
  const timer = setTimeout(
    () => fail(`skerry up was not ready in ${READY_TIMEOUT_MS / 1000} s`),
    READY_TIMEOUT_MS,
  );
  try {
    await ready.promise;
  } finally {
    clearTimeout(timer);
  }
}
