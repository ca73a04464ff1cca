// Does to the processes and disks of a running cloud what a bad month does, in a minute.

import { pidOf } from "./processes.ts";
import { descendants, type Skerry } from "./skerry.ts";
import type { SmallDisk } from "./small-disk.ts";

export const ROLES = ["edge", "masterd", "chunkd-1", "chunkd-2", "chunkd-3", "postgres"] as const;

const BETWEEN_MS = { min: 800, max: 3_500 };
const PAUSE_MS = { min: 300, max: 8_000 };
const FULL_MS = { min: 4_000, max: 10_000 };
/** Of 20 faults: kills, then pauses; the rest fill the disk. */
const KILLS = 10;
const PAUSES = 8;

export class Nemesis {
  /** By "kind role". */
  readonly faults = new Map<string, number>();
  /** Faults that could not be done: the tools failed, not the cloud. */
  readonly problems: string[] = [];
  private readonly underWay = new Set<Promise<void>>();
  private stopped = Promise.withResolvers<void>();
  private isStopped = false;
  private isFull = false;

  constructor(
    private readonly cloud: Skerry,
    private readonly disk: SmallDisk | undefined,
    private readonly random: (below: number) => number,
  ) {}

  /** One fault after another, some of them at the same time, until {@link stop}; all are over when it resolves. */
  async run(): Promise<void> {
    while (!this.isStopped) {
      const fault = this.begin().catch((error) => void this.problems.push(String(error)));
      this.underWay.add(fault);
      void fault.finally(() => this.underWay.delete(fault));
      await this.wait(BETWEEN_MS);
    }
    await Promise.all(this.underWay);
  }

  stop(): void {
    this.isStopped = true;
    this.stopped.resolve();
  }

  get count(): number {
    return [...this.faults.values()].reduce((sum, count) => sum + count, 0);
  }

  private begin(): Promise<void> {
    const role = ROLES[this.random(ROLES.length)]!;
    const kind = this.random(20);
    if (kind < KILLS || (kind >= KILLS + PAUSES && (this.isFull || !this.disk))) return this.kill(role);
    return kind < KILLS + PAUSES ? this.pause(role) : this.fill(this.disk!);
  }

  private async kill(role: string): Promise<void> {
    this.note(`kill ${role}`);
    this.signal(this.processesOf(role), "SIGKILL");
  }

  private async pause(role: string): Promise<void> {
    this.note(`pause ${role}`);
    const pids = this.processesOf(role);
    this.signal(pids, "SIGSTOP");
    await this.wait(PAUSE_MS);
    this.signal(pids, "SIGCONT");
  }

  private async fill(disk: SmallDisk): Promise<void> {
    this.note("full disk");
    this.isFull = true;
    disk.fill();
    await this.wait(FULL_MS);
    disk.drain();
    this.isFull = false;
  }

  /** PostgreSQL is a process for each connection; the others are one each. */
  private processesOf(role: string): number[] {
    const pid = pidOf(this.cloud, role);
    try {
      return pid === undefined ? [] : descendants(pid);
    } catch {
      return []; // It died since.
    }
  }

  private signal(pids: readonly number[], name: NodeJS.Signals): void {
    for (const pid of pids) {
      try {
        process.kill(pid, name);
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
      }
    }
  }

  private note(fault: string): void {
    this.faults.set(fault, (this.faults.get(fault) ?? 0) + 1);
  }

  private async wait({ min, max }: { min: number; max: number }): Promise<void> {
    if (this.isStopped) return;
    await Promise.race([Bun.sleep(min + this.random(max - min)), this.stopped.promise]);
  }
}
