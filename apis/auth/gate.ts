import { assert } from "../../std/assert.ts";
import { AuthError } from "./errors.ts";

/** Lets `runningMax` tasks run at a time and `waitingMax` wait in order; refuses more with `busy`. */
export class Gate {
  private running = 0;
  private readonly waiting: (() => void)[] = [];

  constructor(
    private readonly runningMax: number,
    private readonly waitingMax: number,
  ) {
    assert(runningMax > 0, "a gate lets somebody through");
  }

  async run<T>(task: () => Promise<T>): Promise<T> {
    await this.enter();
    try {
      return await task();
    } finally {
      this.leave();
    }
  }

  private enter(): Promise<void> {
    if (this.running < this.runningMax) {
      this.running++;
      return Promise.resolve();
    }
    if (this.waiting.length >= this.waitingMax) {
      return Promise.reject(new AuthError("busy", "Too much to do: try again shortly", { retryAfterS: 2 }));
    }
    return new Promise((resolve) => this.waiting.push(resolve));
  }

  /** The place of a task that ends goes straight to the next one, so that no newcomer slips in between. */
  private leave(): void {
    const next = this.waiting.shift();
    if (next) next();
    else this.running--;
    assert(this.running >= 0, "no more tasks leave than entered");
  }
}
