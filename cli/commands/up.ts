import { describeSettings, parseConfig, UsageError } from "../../std/config.ts";
import type { Command } from "../command.ts";
import { DETACHED, startDetached } from "../up/detach.ts";
import { fileSink, streamSink } from "../up/log-sink.ts";
import { runCloud } from "../up/run.ts";
import { UP_SETTINGS } from "../up/settings.ts";

export const up: Command = {
  help: () => `Usage: skerry up [--flags]

Runs the whole cloud on this machine: database, storage master, chunkservers, and the gateway with the APIs and the
dashboard. The first start makes the certificate, the user "admin" and an S3 key pair, tells them once, and writes
them to DIR/credentials.json. When it prints a line that begins with "ready" it serves. SIGTERM or Ctrl-C stops all
of it, a second Ctrl-C at once. A part that dies is started again.

${describeSettings(UP_SETTINGS)}`,
  async run(argv, environment, output) {
    const { config, words } = parseConfig(UP_SETTINGS, argv, environment);
    if (words.length > 0) throw new UsageError(`"${words[0]}" is no flag of up`);
    const background = environment[DETACHED];
    if (config.detach && background === undefined) return startDetached(argv, environment, output);
    const shown = { ...output, terminal: output.terminal || background === "terminal" };
    return runCloud(config, environment, shown, (data) =>
      background === undefined ? streamSink(output) : fileSink(data.logFile),
    );
  },
};
