import type { Environment } from "../command.ts";
import { eachLine } from "./lines.ts";

/** What a role says once it can serve: `{"event":"ready", ...}` on its standard output. */
export type Ready = Readonly<Record<string, unknown>>;

export interface RoleExit {
  code: number | null;
  signal: number | string | null;
}

/** Kept to say why a role died. */
const RECENT_LINES_MAX = 20;

/** One run of a role: a child process that prints its ready line, then logs. */
export class RoleProcess {
  /** The addresses of the ready line. Never settles when the process ends before. */
  readonly ready: Promise<Ready>;
  /**
   * Why it cannot be ready until somebody does something, as it says itself: `{"event":"refused","message":...}` on its
   * standard output. It goes on trying.
   */
  readonly refused: Promise<string>;
  readonly exited: Promise<RoleExit>;
  private readonly child: Bun.Subprocess<"pipe", "pipe", "pipe">;
  private readonly recent: string[] = [];

  constructor(
    command: readonly string[],
    environment: Environment,
    private readonly onLog: (line: string) => void,
  ) {
    const ready = Promise.withResolvers<Ready>();
    const refused = Promise.withResolvers<string>();
    this.ready = ready.promise;
    this.refused = refused.promise;
    this.child = Bun.spawn([...command], {
      env: environment,
      stdin: "pipe",
      stdout: "pipe",
      stderr: "pipe",
      // A process group of its own: Ctrl-C then reaches the supervisor alone, which stops the roles in order.
      detached: true,
    });
    const output = Promise.allSettled([
      eachLine(this.child.stdout, (line) => {
        const event = eventOf(line);
        if (event?.event === "ready") ready.resolve(event);
        else if (event?.event === "refused") refused.resolve(String(event.message));
        else this.log(line);
      }),
      eachLine(this.child.stderr, (line) => this.log(line)),
    ]);
    this.exited = this.child.exited.then(async (): Promise<RoleExit> => {
      // A grandchild may hold the pipe open for longer: what was said is read, what may come is not waited for.
      await Promise.race([output, Bun.sleep(200)]);
      return { code: this.child.exitCode, signal: this.child.signalCode };
    });
  }

  get pid(): number {
    return this.child.pid;
  }

  /** The last lines that it logged, oldest first. */
  get recentLines(): readonly string[] {
    return this.recent;
  }

  kill(signal: "SIGTERM" | "SIGKILL"): void {
    this.child.kill(signal);
  }

  private log(line: string): void {
    if (line === "") return;
    this.recent.push(line);
    if (this.recent.length > RECENT_LINES_MAX) this.recent.shift();
    this.onLog(line);
  }
}

function eventOf(line: string): Ready | undefined {
  if (!line.startsWith("{")) return undefined;
  try {
    return JSON.parse(line) as Ready;
  } catch {
    return undefined;
  }
}

/** "exit code 1", "signal SIGKILL". */
export function describeExit(exit: RoleExit): string {
  return exit.signal ? `signal ${exit.signal}` : `exit code ${exit.code}`;
}
