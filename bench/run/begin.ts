// How each load test begins: its flags, and what is measured on which machine.
import { availableParallelism, loadavg } from "node:os";
import { type Config, parseConfig, type Settings, UsageError } from "../../std/config.ts";
import { gitRevision } from "./revision.ts";

export interface Circumstances {
  /** As {@link gitRevision}. */
  revision: string;
  bun: string;
  cores: number;
  /** Of the last minute. */
  loadAverageAtStart: number;
}

/** For the head of a table. */
export function circumstancesLine({ revision, bun, cores, loadAverageAtStart }: Circumstances): string {
  return `revision ${revision}, Bun ${bun}, ${cores} cores, load ${loadAverageAtStart.toFixed(2)} at the start`;
}

/** The flags of `argv`; undefined where they ask for `help`, which is then told. Throws {@link UsageError}. */
export function begin<S extends Settings>(
  settings: S,
  help: string,
  argv: readonly string[],
  environment: Record<string, string | undefined>,
): { config: Config<S>; about: Circumstances } | undefined {
  if (argv.includes("--help") || argv.includes("-h")) {
    process.stdout.write(`${help}\n`);
    return undefined;
  }
  const { config, words } = parseConfig(settings, argv, environment);
  if (words.length > 0) throw new UsageError(`"${words[0]}" is not a flag`);
  const [loadAverageAtStart = 0] = loadavg();
  return {
    config,
    about: { revision: gitRevision(), bun: Bun.version, cores: availableParallelism(), loadAverageAtStart },
  };
}
