import { availableParallelism } from "node:os";
import { describeViolation, isFault } from "../../sim/check/violation.ts";
import type { RunOutcome } from "../../sim/run/outcome.ts";
import { Pool } from "../../sim/run/pool.ts";
import type { RunRequest } from "../../sim/run/run-seed.ts";
import { findScenario, SCENARIOS } from "../../sim/run/scenarios/all.ts";
import { AIMED_SCENARIOS, BROKEN_BUILDS } from "../../sim/world/broken-builds.ts";
import {
  type Config,
  describeSettings,
  flag,
  optionalText,
  parseConfig,
  UsageError,
  whole,
} from "../../std/config.ts";
import { type Command, EXIT, type ExitCode, type Output } from "../command.ts";

const SEEDS_MAX = 1_000_000_000;

const SETTINGS = {
  seeds: whole("how many seeds to run", "N", 1, SEEDS_MAX, 100),
  seed: {
    ...whole("run this seed alone, or begin with it where --seeds is given", "K", 1, SEEDS_MAX),
    optional: true as const,
  },
  seconds: { ...whole("run seeds for so long", "S", 1, 1_000_000), optional: true as const },
  scenario: optionalText("run this scenario in place of random faults; `all` for each of them", "F.."),
  break: optionalText(
    `break the code: ${Object.keys(BROKEN_BUILDS).join(", ")}; succeeds once a seed, or the scenario that aims at it, notices`,
    "WHAT",
  ),
  jobs: whole("processes at once", "J", 1, 256, availableParallelism()),
  json: flag("print a line of JSON for each seed, and one for all of them"),
  verbose: flag("print what happens in the run, as it happens (with --seed)"),
};

type Settings = Config<typeof SETTINGS>;

function help(): string {
  const scenarios = SCENARIOS.map(({ id, title }) => `  ${id}  ${title}`).join("\n");
  return `Usage: skerry sim [--flags]

Runs a whole cluster (masterd, chunkservers, clients) in virtual time with faults of all kinds, and checks from outside
that it keeps its promises. A seed decides everything: the same seed gives the same run, event for event.

${describeSettings(SETTINGS)}

Scenarios:
${scenarios}

Exit codes: 0 no promise was broken (with --break: one was), 1 otherwise, 2 wrong usage.`;
}

export const sim: Command = {
  help,
  async run(argv, environment, output) {
    const { config, words } = parseConfig(SETTINGS, argv, environment);
    if (words.length > 0) throw new UsageError(`"${words[0]}" is one word too many`);
    if (config.break !== undefined && !Object.hasOwn(BROKEN_BUILDS, config.break)) {
      throw new UsageError(`--break ${config.break}: there are ${Object.keys(BROKEN_BUILDS).join(", ")}`);
    }
    if (config.scenario !== undefined && config.scenario !== "all") findScenario(config.scenario);
    const isSingle = config.seed !== undefined && !argv.some((word) => word.startsWith("--seeds"));
    if (config.verbose && isSingle) return await runHere(config, output);
    return await new Session(config, isSingle ? 1 : config.seeds, output).run();
  },
};

/** One seed in this process, so that its notes are seen as they come. */
async function runHere(config: Settings, output: Output): Promise<ExitCode> {
  const { loadRoles } = await import("../../sim/world/roles.ts");
  const { runSeed } = await import("../../sim/run/run-seed.ts");
  const build = config.break as keyof typeof BROKEN_BUILDS | undefined;
  const roles = await loadRoles(build === undefined ? {} : { broken: build });
  const request = { seed: config.seed!, scenario: config.scenario, verbose: true };
  const outcome = await runSeed(roles, { ...request, print: (line) => output.out(`${line}\n`) });
  output.out(describeOutcome(outcome, config));
  return isNoticed(outcome, build) === (build !== undefined) ? EXIT.done : EXIT.failed;
}

/** A scenario that missed its fault says nothing of a broken build; a whole one must not miss it either. */
function isNoticed({ violations }: RunOutcome, broken: string | undefined): boolean {
  return broken === undefined ? violations.length > 0 : violations.some(isFault);
}

class Session {
  private readonly startedAt = performance.now();
  private readonly totals = { faults: {} as Record<string, number>, coverage: {} as Record<string, number> };
  private done = 0;
  private firstCatch: number | undefined;
  private caught = 0;
  private operations = 0;
  private virtualMs = 0;

  constructor(
    private readonly config: Settings,
    private readonly seeds: number,
    private readonly output: Output,
  ) {}

  async run(): Promise<ExitCode> {
    const { config } = this;
    const pool = new Pool({
      jobs: config.jobs,
      broken: config.break,
      onOutcome: (outcome) => this.onOutcome(outcome),
    });
    const stop = (): void => pool.stop();
    process.once("SIGINT", stop);
    process.once("SIGTERM", stop);
    try {
      await pool.run(this.requests());
    } finally {
      process.off("SIGINT", stop);
      process.off("SIGTERM", stop);
      pool.stop();
    }
    this.summarize();
    if (this.done === 0) return EXIT.failed;
    return this.caught > 0 === (config.break !== undefined) ? EXIT.done : EXIT.failed;
  }

  private *requests(): Generator<RunRequest> {
    const { config } = this;
    const first = config.seed ?? 1;
    const scenarios: (string | undefined)[] =
      config.scenario === "all" ? SCENARIOS.map(({ id }) => id) : [config.scenario];
    const aimed = AIMED_SCENARIOS[config.break ?? ""];
    if (config.scenario === undefined && aimed !== undefined) scenarios.push(aimed);
    for (let at = 0; config.seconds !== undefined || at < this.seeds; at++) {
      for (const scenario of scenarios) {
        const isLate =
          config.seconds !== undefined && performance.now() - this.startedAt > config.seconds * 1000;
        // A broken build is noticed once.
        if (isLate || (config.break !== undefined && this.caught > 0)) return;
        yield { seed: first + at, scenario };
      }
    }
  }

  private onOutcome(outcome: RunOutcome): void {
    const { config, output, totals } = this;
    this.done++;
    this.virtualMs += outcome.virtualMs;
    this.operations += outcome.coverage["operations checked"] ?? 0;
    for (const [name, count] of Object.entries(outcome.faults))
      totals.faults[name] = (totals.faults[name] ?? 0) + count;
    for (const name of Object.keys(outcome.coverage))
      totals.coverage[name] = (totals.coverage[name] ?? 0) + 1;
    if (isNoticed(outcome, config.break)) {
      this.caught++;
      this.firstCatch ??= this.done;
    }
    if (config.json) {
      const { notes: _, ...told } = outcome;
      output.out(`${JSON.stringify(told)}\n`);
    } else if (outcome.violations.length > 0 || this.seeds === 1) {
      this.clearProgress();
      output.out(describeOutcome(outcome, config));
    }
    this.showProgress();
  }

  private showProgress(): void {
    const { config, output } = this;
    if (config.json) return;
    const of = config.seconds === undefined ? `/${this.seeds}` : "";
    const rate = this.done / ((performance.now() - this.startedAt) / 1000);
    const line = `${this.done}${of} runs, ${this.caught} with violations, ${rate.toFixed(1)} a second`;
    if (output.terminal) output.err(`\r\x1b[K${line}`);
    else if (this.done % 100 === 0) output.err(`${line}\n`);
  }

  private clearProgress(): void {
    if (this.output.terminal && !this.config.json) this.output.err("\r\x1b[K");
  }

  private summarize(): void {
    const { config, output, totals } = this;
    this.clearProgress();
    const seconds = (performance.now() - this.startedAt) / 1000;
    if (config.json) {
      const { done, caught, operations, virtualMs, firstCatch } = this;
      output.out(
        `${JSON.stringify({ runs: done, caught, firstCatch, operations, virtualMs, seconds, ...totals })}\n`,
      );
      return;
    }
    const faults = Object.entries(totals.faults).sort(([, a], [, b]) => b - a);
    if (config.verbose)
      for (const [name, count] of faults) output.out(`${String(count).padStart(8)}  ${name}\n`);
    const total = faults.reduce((sum, [, count]) => sum + count, 0);
    const hours = (this.virtualMs / 3_600_000).toFixed(1);
    output.out(
      `${this.done} runs in ${seconds.toFixed(0)} s: ${hours} hours of virtual time, ${this.operations} operations checked, ` +
        `${total} faults of ${faults.length} kinds, ${this.caught} runs with violations\n`,
    );
    if (config.break === undefined) return;
    const told =
      this.caught > 0 ? `was noticed in run ${this.firstCatch}` : `was NOT noticed in ${this.done} runs`;
    output.out(`the build without ${config.break} ${told}\n`);
  }
}

const VIOLATIONS_TOLD = 5;

function describeOutcome(outcome: RunOutcome, config: Settings): string {
  const { seed, scenario, hash, violations } = outcome;
  const name = scenario === undefined ? `seed ${seed}` : `${scenario}, seed ${seed}`;
  const broken = config.break === undefined ? "" : ` --break ${config.break}`;
  const replay = `./skerry sim --seed ${seed}${scenario === undefined ? "" : ` --scenario ${scenario}`}${broken}`;
  if (violations.length === 0) return `${name}: no violation (trace ${hash}, ${outcome.events} events)\n`;
  const told = violations.slice(0, VIOLATIONS_TOLD).map(describeViolation).join("\n");
  const more = violations.length > VIOLATIONS_TOLD ? `\nand ${violations.length - VIOLATIONS_TOLD} more` : "";
  return `${name}: ${violations.length} violations (trace ${hash})\n${told}${more}\nreplay: ${replay} --verbose\n\n`;
}
