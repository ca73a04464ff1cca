import { ChunkError } from "../store/errors.ts";

/** Lets so many run at once and so many wait, first come, first served. */
export class Turns {
  private running = 0;
  private readonly waiting: (() => void)[] = [];

  /** `what`: for the message to whoever finds no place. */
  constructor(
    private readonly runningMax: number,
    private readonly waitingMax: number,
    private readonly what: string,
  ) {}

  /** Throws `OVERLOADED` when too many wait. */
  async run<T>(task: () => Promise<T>): Promise<T> {
    if (this.running >= this.runningMax) {
      if (this.waiting.length >= this.waitingMax) {
        throw new ChunkError(
          "OVERLOADED",
          `${this.waiting.length} ${this.what} are waiting: ask again later`,
        );
      }
      // Whoever ends hands its place on, so that nobody takes it in between.
      await new Promise<void>((resolve) => this.waiting.push(resolve));
    } else {
      this.running++;
    }
    try {
      return await task();
    } finally {
      const next = this.waiting.shift();
      if (next) next();
      else this.running--;
    }
  }
}
