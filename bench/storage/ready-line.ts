// A product that is measured runs in processes of its own, and says on its output when it can serve.
import type { Subprocess } from "bun";

/** What is kept of the output for the message when it does not start, characters. */
const OUTPUT_KEPT = 4000;

/** It did not start; the message has what it printed last. */
export class StartError extends Error {
  override name = "StartError";
}

/**
 * Resolves with the first whole line that `pattern` (with the flag `m`) finds; goes on reading, so that `child` never
 * blocks on its output. Rejects with {@link StartError} when it ends before that, or after `timeoutMs`.
 */
export async function readyLine(
  name: string,
  child: Subprocess<"ignore" | "pipe", "pipe", "pipe">,
  pattern: RegExp,
  timeoutMs: number,
): Promise<string> {
  const ready = Promise.withResolvers<string>();
  let kept = "";
  const follow = async (stream: ReadableStream<Uint8Array>): Promise<void> => {
    const decoder = new TextDecoder();
    for await (const bytes of stream) {
      kept = (kept + decoder.decode(bytes, { stream: true })).slice(-OUTPUT_KEPT);
      const whole = kept.slice(0, kept.lastIndexOf("\n") + 1);
      const line = pattern.exec(whole)?.[0];
      if (line !== undefined) ready.resolve(line);
    }
  };
  void follow(child.stdout);
  void follow(child.stderr);
  const fail = (what: string) => ready.reject(new StartError(`${name} ${what}. It printed last:\n${kept}`));
  void child.exited.then((code) => fail(`ended with ${code}`));
  const timer = setTimeout(() => fail(`was not ready in ${timeoutMs / 1000} s`), timeoutMs);
  try {
    return await ready.promise;
  } finally {
    clearTimeout(timer);
  }
}

/** Asks it to stop; after `timeoutMs` it is killed. Resolves when it has ended. */
export async function stopProcess(child: Subprocess, timeoutMs: number): Promise<void> {
  child.kill("SIGTERM");
  const timer = setTimeout(() => child.kill("SIGKILL"), timeoutMs);
  await child.exited;
  clearTimeout(timer);
}
