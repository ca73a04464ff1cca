// A machine of the world: its disk and its clocks last, the program that runs on it comes and goes.

import type { CatalogFiles } from "../../masterd/catalog/catalog-files.ts";
import type { Clock } from "../../std/clock.ts";
import type { Disk } from "../../std/disk.ts";
import type { Log, LogFields, LogLevel } from "../../std/log.ts";
import type { Net } from "../../std/net.ts";
import { SimCatalogFiles } from "./catalogs.ts";
import { type DiskOptions, SimDisk } from "./disk.ts";
import type { SimNetwork } from "./network.ts";
import { type ClockOptions, NodeClock } from "./node-clock.ts";
import { SimProcess } from "./process.ts";
import type { Scheduler } from "./scheduler.ts";
import type { SeededRandom } from "./seeded-random.ts";

export interface NodeOptions extends ClockOptions {
  disk?: DiskOptions;
}

/** What a program takes from the world; every part's environment is made of these. */
export interface ProgramEnvironment {
  clock: Clock;
  disk: Disk;
  net: Net;
  random: SeededRandom;
  log: Log;
  catalogs: CatalogFiles;
}

export type LogSink = (
  time: number,
  node: string,
  level: LogLevel,
  message: string,
  fields: LogFields,
) => void;

/** Starts a role. What it resolves with is what {@link SimNode.start} does. */
export type Program<T> = (env: ProgramEnvironment) => Promise<T>;

export interface NodeParts {
  scheduler: Scheduler;
  network: SimNetwork;
  epochMs: number;
  logSink?: LogSink;
}

export class SimNode {
  /** The disk of the machine with its faults; programs get it through their environment. */
  readonly disk: SimDisk;
  /** The clocks of the machine with their faults. */
  readonly clock: NodeClock;
  private process: SimProcess | undefined;
  private lives = 0;
  private program: Program<unknown> | undefined;
  private isOn = true;

  constructor(
    readonly name: string,
    private readonly parts: NodeParts,
    options: NodeOptions,
  ) {
    const { scheduler, epochMs } = parts;
    this.disk = new SimDisk(name, scheduler, options.disk);
    this.clock = new NodeClock(scheduler, scheduler.random(`clock/${name}`), epochMs, options);
  }

  /** A program runs, or was stopped and may go on. */
  get isUp(): boolean {
    return this.process !== undefined;
  }

  /**
   * Switches the machine on if it is off, and runs `program` on it. The promise is the program's: where the program dies
   * before it is done, it never settles. One program runs at a time.
   */
  start<T>(program: Program<T>): Promise<T> {
    if (this.process) throw new Error(`${this.name} runs a program already`);
    if (!this.isOn) this.parts.network.powerOn(this.name);
    this.isOn = true;
    this.program = program;
    const process = new SimProcess(this.name, ++this.lives, this.parts.scheduler);
    this.process = process;
    this.parts.scheduler.record("start", this.name, process.life);
    const env = this.environment(process);
    const started = Promise.withResolvers<T>();
    // Its first step is an event of its own, behind the end of the life before.
    this.parts.scheduler.after(0, () =>
      process.enter(() => {
        program(env).then(
          (value) => process.enter(() => started.resolve(value)),
          (error) => process.enter(() => started.reject(error)),
        );
      }),
    );
    return started.promise;
  }

  /** Runs the program of the last {@link start} again. */
  restart(): Promise<unknown> {
    if (!this.program) throw new Error(`${this.name} never ran a program`);
    return this.start(this.program);
  }

  /** SIGKILL: what it wrote to files stays, what it had under way may or may not happen, its kernel ends its streams. */
  crash(): void {
    const process = this.end("crash");
    if (!process) return;
    this.parts.network.release(process);
    this.disk.processDied(process);
  }

  /** The plug is pulled: what was not synced may be lost, and nobody is told. The machine is off until {@link start}. */
  powerLoss(): void {
    if (!this.isOn) return;
    const process = this.end("power loss");
    this.isOn = false;
    this.parts.network.powerOff(this.name);
    if (process) this.disk.processDied(process);
    // Behind what the end of the program still does to the page cache.
    this.parts.scheduler.atEventEnd(() => this.disk.powerLoss());
  }

  /** SIGSTOP: nothing happens in the program; what comes to it waits. Its kernel and its clocks go on. */
  pause(): void {
    this.parts.scheduler.record("pause", this.name);
    this.process?.stop();
  }

  /** SIGCONT. */
  resume(): void {
    this.parts.scheduler.record("resume", this.name);
    this.process?.continue();
  }

  private end(how: string): SimProcess | undefined {
    const { process } = this;
    this.process = undefined;
    if (!process) return undefined;
    this.parts.scheduler.record(how, this.name, process.life);
    process.die();
    return process;
  }

  private environment(process: SimProcess): ProgramEnvironment {
    const { scheduler, network } = this.parts;
    const disk = this.disk.of(process);
    return {
      clock: this.clock.of(process),
      disk,
      net: network.of(process),
      random: scheduler.random(`program/${this.name}/${process.life}`),
      log: this.logOf(process, {}),
      catalogs: new SimCatalogFiles(this.disk, process),
    };
  }

  private logOf(process: SimProcess, fixed: LogFields): Log {
    const emit = (level: LogLevel) => (message: string, fields?: LogFields) => {
      if (!process.alive) return;
      this.parts.scheduler.record("log", process.node, level, message);
      this.parts.logSink?.(this.parts.scheduler.now, process.node, level, message, { ...fixed, ...fields });
    };
    return {
      debug: emit("debug"),
      info: emit("info"),
      warn: emit("warn"),
      error: emit("error"),
      with: (more) => this.logOf(process, { ...fixed, ...more }),
    };
  }
}
