import { InvariantError } from "../std/assert.ts";
import { UsageError } from "../std/config.ts";
import { type Command, CommandError, type Environment, EXIT, type ExitCode, type Output } from "./command.ts";
import { suggest } from "./suggest.ts";
import { VERSION } from "./version.ts";

const BUGS = [TypeError, ReferenceError, RangeError, SyntaxError];

interface Entry {
  summary: string;
  /** Loaded when it is asked for alone, so that `skerry status` does not pay for the storage engine. */
  load(): Promise<Command>;
}

const role = (name: string, summary: string): Entry => ({
  summary,
  load: async () => (await import("./commands/role.ts")).roleCommand(name),
});

export const COMMANDS: Record<string, Entry> = {
  up: {
    summary: "run the whole cloud on this machine",
    load: async () => (await import("./commands/up.ts")).up,
  },
  status: {
    summary: "show what runs, and the health of the storage",
    load: async () => (await import("./commands/status.ts")).status,
  },
  stop: { summary: "stop what `up` started", load: async () => (await import("./commands/stop.ts")).stop },
  chunkserver: {
    summary: "list, drain and remove chunkservers",
    load: async () => (await import("./commands/chunkserver.ts")).chunkserver,
  },
  user: {
    summary: "add, list and remove users",
    load: async () => (await import("./commands/user.ts")).user,
  },
  key: {
    summary: "create, import, list and revoke S3 access keys",
    load: async () => (await import("./commands/key.ts")).key,
  },
  group: {
    summary: "make groups of users",
    load: async () => (await import("./commands/group.ts")).group,
  },
  role: {
    summary: "write roles, and give them to users, groups and service accounts",
    load: async () => (await import("./commands/access-role.ts")).accessRole,
  },
  token: {
    summary: "create, list and revoke API tokens",
    load: async () => (await import("./commands/token.ts")).token,
  },
  "service-account": {
    summary: "make identities of programs",
    load: async () => (await import("./commands/service-account.ts")).serviceAccount,
  },
  policy: {
    summary: "tell what a user may do, and why",
    load: async () => (await import("./commands/policy.ts")).policy,
  },
  audit: {
    summary: "show and check who changed what, and what was refused",
    load: async () => (await import("./commands/audit.ts")).audit,
  },
  events: {
    summary: "watch events between services, and look after those that could not be handled",
    load: async () => (await import("./commands/events.ts")).events,
  },
  login: {
    summary: "sign in to a cloud by password",
    load: async () => (await import("./commands/login.ts")).login,
  },
  logout: {
    summary: "end the session that `login` began",
    load: async () => (await import("./commands/logout.ts")).logout,
  },
  whoami: {
    summary: "say who is signed in",
    load: async () => (await import("./commands/whoami.ts")).whoami,
  },
  backup: {
    summary: "write metadata, databases and secrets to a file, while serving or stopped",
    load: async () => (await import("./commands/backup.ts")).backup,
  },
  restore: {
    summary: "put a backup in place",
    load: async () => (await import("./commands/restore.ts")).restore,
  },
  test: { summary: "run every test", load: async () => (await import("./commands/test.ts")).test },
  bench: { summary: "run a load test", load: async () => (await import("./commands/bench.ts")).bench },
  sim: {
    summary: "run the storage under simulated faults",
    load: async () => (await import("./commands/sim.ts")).sim,
  },
  masterd: role("masterd", "run the storage master alone"),
  chunkd: role("chunkd", "run a chunkserver alone"),
  apis: role("apis", "run the APIs alone"),
  edge: role("edge", "run the gateway alone"),
  postgres: role("postgres", "run the embedded database alone"),
};

/** The text of `skerry --help`. */
export function usage(): string {
  const width = Math.max(...Object.keys(COMMANDS).map((name) => name.length));
  const rows = Object.entries(COMMANDS).map(([name, { summary }]) => `  ${name.padEnd(width)}  ${summary}`);
  return `Usage: skerry <command> [--flags]

${rows.join("\n")}

skerry <command> --help tells the flags of a command; each may also be given as a variable, SKERRY_<FLAG>.
Exit codes: 0 done, 1 failed, 2 wrong usage.`;
}

/** Runs the command that `argv` (behind the program's name) asks for, and says what went wrong. */
export async function runCommandLine(
  argv: string[],
  environment: Environment,
  output: Output,
): Promise<ExitCode> {
  const [name, ...rest] = argv;
  if (name === "--help" || name === "-h" || name === "help") return print(output, usage());
  if (name === "--version" || name === "-V") return print(output, `skerry ${VERSION}`);
  try {
    const command = await find(name).load();
    if (!command.ownHelp && asksForHelp(rest)) return print(output, command.help());
    return await command.run(rest, environment, output);
  } catch (error) {
    return explain(error, name, output);
  }
}

function find(name: string | undefined): Entry {
  if (name === undefined) throw new UsageError(`a command is missing\n\n${usage()}`);
  const entry = Object.hasOwn(COMMANDS, name) ? COMMANDS[name] : undefined;
  if (entry) return entry;
  const meant = suggest(name, Object.keys(COMMANDS));
  throw new UsageError(`there is no command "${name}"${meant ? `; did you mean "${meant}"?` : ""}`);
}

/** Flags behind `--` belong to somebody else. */
function asksForHelp(argv: string[]): boolean {
  const end = argv.indexOf("--");
  return argv.slice(0, end < 0 ? undefined : end).some((word) => word === "--help" || word === "-h");
}

function print(output: Output, text: string): ExitCode {
  output.out(`${text}\n`);
  return EXIT.done;
}

function explain(error: unknown, name: string | undefined, output: Output): ExitCode {
  if (error instanceof UsageError) {
    const known = name !== undefined && Object.hasOwn(COMMANDS, name);
    output.err(`skerry: ${error.message}\nTry: skerry ${known ? `${name} ` : ""}--help\n`);
    return EXIT.usage;
  }
  if (isBug(error)) output.err(`skerry: this is a bug: ${error instanceof Error ? error.stack : error}\n`);
  else output.err(`skerry: ${(error as Error).message}\n`);
  return EXIT.failed;
}

/** Errors that a part or the system means to be read have a class or a code; what JavaScript throws has neither. */
function isBug(error: unknown): boolean {
  if (!(error instanceof Error) || error instanceof InvariantError) return true;
  if (error instanceof CommandError || "code" in error) return false;
  return BUGS.some((bug) => error instanceof bug);
}
