import type { Environment, Output } from "../command.ts";
import { ROOT } from "../version.ts";

export interface ChildResult {
  /** Null where it was killed. */
  exitCode: number | null;
  timedOut: boolean;
  /** What it wrote to both streams, as far as it was kept. */
  text: string;
}

/** Of the output of one child this much is kept, its end. */
const TEXT_LENGTH_MAX = 1 << 20;
/** After the child has ended, its own children may hold the pipe open. */
const OUTPUT_GRACE_MS = 1_000;

/** Process groups that must not outlive this process. */
const running = new Set<number>();

/** Kills every child and what these have started. */
export function killChildren(): void {
  for (const pid of running) killGroup(pid);
}

function killGroup(pid: number): void {
  try {
    process.kill(-pid, "SIGKILL");
  } catch {
    // All of the group is gone already.
  }
}

/** Runs `command` in the project's root; after `timeoutMs` it is killed with all that it started. */
export async function runChild(
  command: readonly string[],
  environment: Environment,
  timeoutMs: number,
  live?: Output,
): Promise<ChildResult> {
  const child = Bun.spawn([...command], {
    cwd: ROOT,
    env: environment,
    stdin: "ignore",
    stdout: "pipe",
    stderr: "pipe",
    detached: true,
  });
  running.add(child.pid);
  let text = "";
  let timedOut = false;
  const collect = async (stream: ReadableStream<Uint8Array>): Promise<void> => {
    const decoder = new TextDecoder();
    for await (const bytes of stream) {
      const piece = decoder.decode(bytes, { stream: true });
      live?.out(piece);
      text = (text + piece).slice(-TEXT_LENGTH_MAX);
    }
  };
  const collected = Promise.all([collect(child.stdout), collect(child.stderr)]);
  const timer = setTimeout(() => {
    timedOut = true;
    killGroup(child.pid);
  }, timeoutMs);
  await child.exited;
  clearTimeout(timer);
  // What a test left running would disturb the next one.
  killGroup(child.pid);
  await Promise.race([collected, Bun.sleep(OUTPUT_GRACE_MS)]);
  running.delete(child.pid);
  return { exitCode: child.exitCode, timedOut, text };
}
