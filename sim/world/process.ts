// One life of a program on a node. Whatever the program asked of its environment reaches it through `enter`, so that a
// dead program never acts again and a stopped one acts later, in the order in which things came to it.
import type { Scheduler } from "./scheduler.ts";

/** Between two things that a program finds waiting when it goes on after a stop, virtual ms. */
const CATCH_UP_MS = 0.001;

export class SimProcess {
  alive = true;
  private stopped = false;
  private catchingUp = false;
  private waiting: (() => void)[] = [];

  constructor(
    readonly node: string,
    /** 1 for the first program that ran on the node. */
    readonly life: number,
    private readonly scheduler: Scheduler,
  ) {}

  /** Runs `run` as code of this process. */
  enter(run: () => void): void {
    if (!this.alive) return;
    if (this.stopped || this.catchingUp) this.waiting.push(run);
    else run();
  }

  stop(): void {
    this.stopped = true;
  }

  continue(): void {
    this.stopped = false;
    if (this.catchingUp) return;
    this.catchingUp = true;
    this.catchUp();
  }

  private catchUp(): void {
    this.scheduler.after(CATCH_UP_MS, () => {
      if (!this.alive) return;
      const next = this.stopped ? undefined : this.waiting.shift();
      if (!next) {
        this.catchingUp = false;
        return;
      }
      next();
      this.catchUp();
    });
  }

  die(): void {
    this.alive = false;
    this.waiting = [];
  }
}
