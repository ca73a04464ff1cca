import { readdirSync } from "node:fs";
import { join } from "node:path";
import { UsageError } from "../../std/config.ts";
import { type Command, EXIT } from "../command.ts";
import { suggest } from "../suggest.ts";
import { ROOT } from "../version.ts";

/** What a file of bench/ exports that is a load test of its own. */
interface BenchModule {
  main(argv: string[]): Promise<void>;
}

const DIRECTORY = join(ROOT, "bench");

/** The load tests: the files of bench/ that start one. */
function names(): string[] {
  const files = readdirSync(DIRECTORY, { withFileTypes: true }).filter(
    (entry) => entry.isFile() && /^[a-z0-9-]+\.ts$/.test(entry.name),
  );
  return files.map((entry) => entry.name.slice(0, -".ts".length)).sort();
}

function help(): string {
  return `Usage: skerry bench <name> [--flags]

Runs a load test of bench/; each answers one question. skerry bench <name> --help tells its flags.

${names()
  .map((name) => `  ${name}`)
  .join("\n")}`;
}

export const bench: Command = {
  help,
  ownHelp: true,
  async run(argv, _environment, output) {
    const [name, ...rest] = argv;
    if (name === undefined || name === "--help" || name === "-h") {
      if (name === undefined) throw new UsageError("say which load test to run");
      output.out(`${help()}\n`);
      return EXIT.done;
    }
    if (!names().includes(name)) {
      const meant = suggest(name, names());
      throw new UsageError(`there is no load test "${name}"${meant ? `; did you mean "${meant}"?` : ""}`);
    }
    const module = (await import(join(DIRECTORY, `${name}.ts`))) as Partial<BenchModule>;
    if (typeof module.main !== "function") throw new UsageError(`bench/${name}.ts is no load test`);
    await module.main(rest);
    return EXIT.done;
  },
};
