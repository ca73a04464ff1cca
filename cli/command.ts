/** Where a command writes; a test passes its own. */
export interface Output {
  /** Results and progress: standard output. */
  out(text: string): void;
  /** Errors, warnings and logs: standard error. */
  err(text: string): void;
  /** Whether a person looks at it: colours and signs are then welcome. */
  terminal: boolean;
}

export type Environment = Record<string, string | undefined>;

/** The exit codes of the contract: 0 done, 1 failed, 2 wrong usage. */
export const EXIT = { done: 0, failed: 1, usage: 2 } as const;
export type ExitCode = (typeof EXIT)[keyof typeof EXIT];

export interface Command {
  /** The text of `skerry <command> --help`. */
  help(): string;
  /** Its words may ask for the help of something behind it: it looks for --help itself. */
  ownHelp?: boolean;
  /**
   * Runs with the words behind the command's name.
   * Throws UsageError (exit code 2) or {@link CommandError} (exit code 1).
   */
  run(argv: string[], environment: Environment, output: Output): Promise<ExitCode>;
}

/** Something that the person at the terminal can act on: its message is all that is printed. */
export class CommandError extends Error {
  override name = "CommandError";
}
