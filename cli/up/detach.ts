import { type Environment, EXIT, type ExitCode, type Output } from "../command.ts";
import { eachLine } from "../supervisor/lines.ts";
import { SELF } from "../version.ts";

/** Set for the process that runs in the background. */
export const DETACHED = "SKERRY_DETACHED";

/** Starts `up` in a session of its own, repeats what it tells, and returns when it is ready or has failed. */
export async function startDetached(
  argv: readonly string[],
  environment: Environment,
  output: Output,
): Promise<ExitCode> {
  const child = Bun.spawn([...SELF, "up", ...argv], {
    env: { ...environment, [DETACHED]: output.terminal ? "terminal" : "1" },
    stdin: "ignore",
    stdout: "pipe",
    stderr: "pipe",
    detached: true,
  });
  const stop = (): void => child.kill("SIGTERM");
  for (const name of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.once(name, stop);
  const ready = Promise.withResolvers<"ready">();
  const told = Promise.all([
    eachLine(child.stdout, (line) => {
      output.out(`${line}\n`);
      if (line.startsWith("ready ")) ready.resolve("ready");
    }),
    eachLine(child.stderr, (line) => output.err(`${line}\n`)),
  ]);
  const outcome = await Promise.race([ready.promise, child.exited]);
  if (outcome === "ready") return EXIT.done;
  await told;
  return outcome === EXIT.usage ? EXIT.usage : EXIT.failed;
}
