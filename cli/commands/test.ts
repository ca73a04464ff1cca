import { describeSettings, flag, parseConfig, text } from "../../std/config.ts";
import { type Command, EXIT } from "../command.ts";
import { killChildren } from "../testing/child.ts";
import { describeOutcome, sum } from "../testing/outcome.ts";
import { installNeeds } from "../testing/packages.ts";
import { CHECKS, findTestFiles, TestRun } from "../testing/suites.ts";

const SETTINGS = {
  only: text("run the test files whose path contains PATTERN, and no other check", "PATTERN", ""),
  noInstall: flag("install nothing, though this user could"),
};

export const test: Command = {
  help: () => `Usage: skerry test [--flags]

Checks types and style, then runs every test: beside the source first, then end to end on whole clouds with real
clients. Programs that the tests use are installed by apt-get, as root on Debian and Ubuntu; tests that miss one are
skipped. The last line counts the results.

${describeSettings(SETTINGS)}`,
  async run(argv, environment, output) {
    const { config } = parseConfig(SETTINGS, argv, environment);
    const clean = Object.fromEntries(Object.entries(environment).filter(([name]) => isForTests(name)));
    killChildrenOnSignal();
    if (!config.noInstall) await installNeeds(clean, output);
    const run = new TestRun(clean, output);
    const files = await findTestFiles(config.only);
    if (config.only === "") for (const check of CHECKS) await run.check(check);
    await run.unit(files.unit);
    await run.endToEnd(files.endToEnd);
    const total = sum(run.results);
    output.out(`\n${describeOutcome(total)}\n`);
    return total.failed > 0 || total.passed === 0 ? EXIT.failed : EXIT.done;
  },
};

/** The caller's configuration must not reach what is tested; how long the endurance test runs is the caller's wish. */
function isForTests(name: string): boolean {
  return !name.startsWith("SKERRY_") || name.startsWith("SKERRY_ENDURANCE_");
}

function killChildrenOnSignal(): void {
  for (const name of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
    process.once(name, () => {
      killChildren();
      process.exit(EXIT.failed);
    });
  }
}
