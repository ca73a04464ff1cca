import { assert } from "../../std/assert.ts";
import type { Clock, Timer } from "../../std/clock.ts";
import type { Log } from "../../std/log.ts";
import { CommandError, type Environment } from "../command.ts";
import type { Backoff } from "./backoff.ts";
import { Liveness, type Probe } from "./liveness.ts";
import { describeExit, type Ready, type RoleExit, RoleProcess } from "./role-process.ts";

export interface RoleSpec {
  /** `edge`, `chunkd-1`: the name in logs and in `skerry status`. */
  name: string;
  /** The command line of the next start; built anew each time, since addresses are known only by then. */
  command(): string[];
  /** Variables for the next start, beside those of all roles. */
  environment?(): Environment;
  /** A role that is not ready by then counts as dead, ms. */
  readyTimeoutMs: number;
  /** How long it may take to stop before it is killed, ms. */
  stopTimeoutMs: number;
  /** Asks a process that is ready for a sign of life; one that hangs is killed and started again. */
  probe?: Probe;
}

export type RoleState = "starting" | "ready" | "refused" | "waiting" | "stopping" | "stopped";

export interface RoleStatus {
  name: string;
  state: RoleState;
  /** Of the present process; absent while there is none. */
  pid?: number;
  /** When the present process became ready, ms since the epoch. */
  readyAt?: number;
  restarts: number;
}

export interface RoleHost {
  clock: Clock;
  log: Log;
  environment: Environment;
  onLog(role: string, line: string): void;
  /** A process of the role is ready, the first or a later one. */
  onReady(role: string, ready: Ready): void;
  /** The status of some role has changed. */
  onChange(): void;
}

/** Recent log lines that the error of a first start repeats. */
const LINES_SHOWN = 8;

type Outcome = { ready: Ready } | { refusal: string } | { failure: string };

/** A role and its successive processes: started, started again when they die, and stopped. */
export class ManagedRole {
  private state: RoleState = "starting";
  private process: RoleProcess | undefined;
  /** The process of a first start that failed; it may still run where it was refused. */
  private failed: RoleProcess | undefined;
  private readyAt: number | undefined;
  private restarts = 0;
  private stopping = false;
  private retry: Timer | undefined;
  private wakeRetry: (() => void) | undefined;
  private life: Promise<void> | undefined;

  constructor(
    readonly spec: RoleSpec,
    private readonly host: RoleHost,
    private readonly backoff: Backoff,
  ) {}

  get status(): RoleStatus {
    const { name } = this.spec;
    return {
      name,
      state: this.state,
      pid: this.process?.pid,
      readyAt: this.readyAt,
      restarts: this.restarts,
    };
  }

  /** Starts the first process. Rejects with {@link CommandError} when it dies, is refused or is not ready in time. */
  async start(): Promise<Ready> {
    assert(this.life === undefined, "a role is started once");
    if (this.stopping) throw new CommandError(`${this.spec.name} was stopped before it started`);
    const process = this.spawn();
    const outcome = await this.awaitReady(process);
    if ("ready" in outcome) {
      this.life = this.keepAlive(process);
      return outcome.ready;
    }
    this.failed = process;
    if ("refusal" in outcome) throw new CommandError(`${this.spec.name} is refused: ${outcome.refusal}`);
    if (!this.stopping) this.become("stopped");
    throw new CommandError(explainFailure(this.spec.name, outcome.failure, process.recentLines));
  }

  /** After a {@link start} that failed: tries again, with the waits of a role that dies, until it is stopped. */
  keepTrying(): void {
    assert(this.life === undefined, "a failed start comes before");
    if (!this.stopping && this.failed) this.life = this.keepAlive(this.failed);
  }

  /** Ends the present process, by force after the spec's time or once `hurry` resolves. Never rejects. */
  async stop(hurry: Promise<void>): Promise<void> {
    this.stopping = true;
    this.retry?.cancel();
    this.wakeRetry?.();
    const { process } = this;
    if (process) {
      this.become("stopping");
      process.kill("SIGTERM");
      const timer = this.host.clock.after(this.spec.stopTimeoutMs, () => this.killHard(process));
      void hurry.then(() => this.killHard(process));
      await process.exited;
      timer.cancel();
    }
    await this.life;
    this.become("stopped");
  }

  /** Asks the present process to end; it is started again as if it had died. */
  renew(): void {
    this.process?.kill("SIGTERM");
  }

  private killHard(process: RoleProcess): void {
    if (this.process !== process) return;
    this.host.log.warn("a role did not stop in time and is killed", { name: this.spec.name });
    process.kill("SIGKILL");
  }

  private spawn(): RoleProcess {
    const { name } = this.spec;
    const environment = { ...this.host.environment, ...this.spec.environment?.() };
    const process = new RoleProcess(this.spec.command(), environment, (line) => this.host.onLog(name, line));
    this.process = process;
    this.readyAt = undefined;
    void process.exited.then(() => {
      if (this.process === process) this.process = undefined;
    });
    this.become("starting");
    return process;
  }

  private async awaitReady(process: RoleProcess): Promise<Outcome> {
    const { clock } = this.host;
    const late = Promise.withResolvers<{ failure: string }>();
    const timer = clock.after(this.spec.readyTimeoutMs, () => {
      late.resolve({ failure: `was not ready within ${this.spec.readyTimeoutMs / 1000} s` });
    });
    const outcome = await Promise.race([
      process.ready.then((ready) => ({ ready })),
      process.refused.then((refusal) => ({ refusal })),
      process.exited.then((exit) => ({ failure: `ended with ${describeExit(exit)}` })),
      late.promise,
    ]);
    timer.cancel();
    if ("ready" in outcome) {
      this.serves(outcome.ready);
    } else if ("refusal" in outcome) {
      if (!this.stopping) this.become("refused");
      void process.ready.then((ready) => this.serves(ready));
    } else {
      process.kill("SIGKILL");
      await process.exited;
    }
    return outcome;
  }

  private serves(ready: Ready): void {
    this.readyAt = this.host.clock.now();
    this.host.onReady(this.spec.name, ready);
    if (!this.stopping) this.become("ready");
  }

  /** From the first ready line or refusal to the end of the supervisor. */
  private async keepAlive(first: RoleProcess): Promise<void> {
    let process = first;
    while (true) {
      const exit = await this.watch(process);
      if (this.stopping) return;
      await this.waitBeforeRestart(exit);
      if (this.stopping) return;
      this.restarts++;
      process = this.spawn();
      await this.awaitReady(process);
    }
  }

  /** Resolves when `process` has ended, by itself or because it did not answer any more. */
  private async watch(process: RoleProcess): Promise<RoleExit> {
    const { clock, log } = this.host;
    const { name, probe } = this.spec;
    const hung = () => {
      if (this.stopping) return;
      log.error("a role does not answer and is killed", { name, pid: process.pid });
      process.kill("SIGKILL");
    };
    const liveness = probe && new Liveness(clock, probe, hung);
    const exit = await process.exited;
    liveness?.stop();
    return exit;
  }

  private async waitBeforeRestart(exit: RoleExit): Promise<void> {
    const { clock, log } = this.host;
    const readyForMs = this.readyAt === undefined ? 0 : clock.now() - this.readyAt;
    const waitMs = Math.round(this.backoff.next(readyForMs));
    this.readyAt = undefined;
    log.error("a role died and is started again", {
      name: this.spec.name,
      reason: describeExit(exit),
      waitMs,
    });
    this.become("waiting");
    await new Promise<void>((resolve) => {
      this.wakeRetry = resolve;
      this.retry = clock.after(waitMs, resolve);
    });
  }

  private become(state: RoleState): void {
    this.state = state;
    this.host.onChange();
  }
}

function explainFailure(name: string, failure: string, lines: readonly string[]): string {
  const shown = lines.slice(-LINES_SHOWN).map((line) => `  ${message(line)}`);
  return [`${name} could not start: it ${failure}`, ...shown].join("\n");
}

/** What a log line says to a person. */
function message(line: string): string {
  try {
    const { message, level: _level, time: _time, ...rest } = JSON.parse(line) as Record<string, unknown>;
    const fields = Object.entries(rest).map(([field, value]) => `${field}=${JSON.stringify(value)}`);
    return typeof message === "string" ? [message, ...fields].join(" ") : line;
  } catch {
    return line;
  }
}
