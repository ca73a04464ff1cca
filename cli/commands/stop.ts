import { describeSettings, parseConfig } from "../../std/config.ts";
import { notRunning } from "../admin.ts";
import { type Command, CommandError, EXIT, type Output } from "../command.ts";
import { existingDataDirectory } from "../data-directory.ts";
import { DATA_SETTING } from "../data-setting.ts";
import { endLeftovers, goneWithin, type InstanceState, readState, runningState } from "../instance.ts";
import { signal } from "../supervisor/process-identity.ts";

const SETTINGS = { data: DATA_SETTING };
/** The supervisor promises 10 s; the rest is for a machine that is busy. */
const STOP_MS_MAX = 15_000;
const LEFTOVER_MS_MAX = 10_000;
const LOOK_MS = 200;

export const stop: Command = {
  help: () => `Usage: skerry stop [--data DIR]

Stops what \`skerry up\` started on DIR and waits until all of it is gone: requests under way end first.

${describeSettings(SETTINGS)}`,
  async run(argv, environment, output) {
    const { config } = parseConfig(SETTINGS, argv, environment);
    const data = await existingDataDirectory(config.data);
    const state = runningState(data);
    if (!state) {
      const left = await endLeftovers(data, LEFTOVER_MS_MAX);
      if (left === 0) throw notRunning(data);
      output.out(`stopped ${left} processes that had lost their supervisor\n`);
      return EXIT.done;
    }
    signal(state, "SIGTERM");
    if (!(await follow(state, () => readState(data), output))) {
      throw new CommandError(
        `pid ${state.pid} has not stopped within ${STOP_MS_MAX / 1000} s; kill it: kill -9 ${state.pid}`,
      );
    }
    output.out("stopped\n");
    return EXIT.done;
  },
};

/** Tells which roles have stopped while the supervisor is there; whether it is gone in time. */
async function follow(
  supervisor: InstanceState,
  look: () => InstanceState | undefined,
  output: Output,
): Promise<boolean> {
  const until = performance.now() + STOP_MS_MAX;
  const told = new Set<string>();
  while (performance.now() < until) {
    const gone = await goneWithin([supervisor], LOOK_MS);
    for (const { name, state } of look()?.roles ?? []) {
      if (state !== "stopped" || told.has(name)) continue;
      told.add(name);
      output.out(`${name} stopped\n`);
    }
    if (gone) return true;
  }
  return false;
}
