import { describeSettings, type Setting, UsageError } from "../std/config.ts";
import { type Command, type Environment, EXIT, type ExitCode, type Output } from "./command.ts";
import { suggest } from "./suggest.ts";

export interface Subcommand {
  /** What stands behind the name: "NAME". */
  words?: string;
  summary: string;
  settings: Record<string, Setting<unknown>>;
  run(argv: string[], environment: Environment, output: Output): Promise<ExitCode>;
}

/** A command whose first word says what to do: `skerry key create`. */
export function withSubcommands(name: string, about: string, table: Record<string, Subcommand>): Command {
  return {
    ownHelp: true,
    help: () => overview(name, about, table),
    async run(argv, environment, output) {
      const [verb, ...rest] = argv;
      if (verb === "--help" || verb === "-h") return print(output, overview(name, about, table));
      const subcommand = find(name, verb, table);
      if (rest.includes("--help") || rest.includes("-h")) {
        return print(output, detail(name, verb!, subcommand));
      }
      return subcommand.run(rest, environment, output);
    },
  };
}

function find(name: string, verb: string | undefined, table: Record<string, Subcommand>): Subcommand {
  const verbs = Object.keys(table);
  if (verb === undefined) throw new UsageError(`say what to do: skerry ${name} ${verbs.join("|")}`);
  const subcommand = Object.hasOwn(table, verb) ? table[verb] : undefined;
  if (subcommand) return subcommand;
  const meant = suggest(verb, verbs);
  throw new UsageError(
    `there is no "skerry ${name} ${verb}"; ${meant ? `did you mean "${meant}"?` : `there is ${verbs.join(", ")}`}`,
  );
}

function overview(name: string, about: string, table: Record<string, Subcommand>): string {
  const rows = Object.entries(table).map(([verb, subcommand]) => {
    const { words, summary, settings } = subcommand;
    const left = ["skerry", name, verb, words].filter((word) => word !== undefined).join(" ");
    return `${left}\n    ${summary}\n${describeSettings(settings).replace(/^/gm, "  ")}`;
  });
  return `Usage: skerry ${name} ${Object.keys(table).join("|")} [--flags]\n\n${about}\n\n${rows.join("\n\n")}`;
}

function detail(name: string, verb: string, { words, summary, settings }: Subcommand): string {
  const usage = ["skerry", name, verb, words, "[--flags]"].filter((word) => word !== undefined).join(" ");
  return `Usage: ${usage}\n\n${summary[0]!.toUpperCase()}${summary.slice(1)}.\n\n${describeSettings(settings)}`;
}

function print(output: Output, text: string): ExitCode {
  output.out(`${text}\n`);
  return EXIT.done;
}

/** Throws {@link UsageError} unless there are exactly as many words as `names`; returns them. */
export function exactWords(words: readonly string[], ...names: string[]): string[] {
  if (words.length < names.length) throw new UsageError(`${names[words.length]} is missing`);
  if (words.length > names.length) throw new UsageError(`"${words[names.length]}" is one word too many`);
  return [...words];
}
