// Background work over much data, a few ms at a time: requests go first.
import type { Clock, Timer } from "../../std/clock.ts";

/** One slice of work takes so long at most, ms; whoever does it looks at the clock. */
export const SLICE_MS = 3;
/** The pause behind a slice is so many times as long as the slice was: a tenth of the time at most is for this. */
const PAUSE_TIMES = 9;
const PAUSE_MS_MIN = 5;
/** A slice that took long, because the machine was busy or asleep, is no reason to wait for ever. */
const PAUSE_MS_MAX = 1_000;

export class Pacer {
  private readonly waiting = new Map<Timer, () => void>();
  private startedAtMs: number;
  private ended = false;

  constructor(private readonly clock: Clock) {
    this.startedAtMs = clock.monotonic();
  }

  get stopped(): boolean {
    return this.ended;
  }

  /** Begins a slice: for the first one of a run. */
  begin(): void {
    this.startedAtMs = this.clock.monotonic();
  }

  /** Whether the slice that began with the last {@link pause} has taken its time. */
  get sliceIsOver(): boolean {
    return this.clock.monotonic() - this.startedAtMs >= SLICE_MS;
  }

  /** Ends a slice; the next begins when this resolves. Resolves at once after {@link stop}. */
  async pause(atLeastMs = PAUSE_MS_MIN): Promise<void> {
    const tookMs = this.clock.monotonic() - this.startedAtMs;
    if (!this.ended) {
      await new Promise<void>((resolve) => {
        const timer = this.clock.after(
          Math.max(atLeastMs, Math.min(PAUSE_MS_MAX, tookMs * PAUSE_TIMES)),
          () => {
            this.waiting.delete(timer);
            resolve();
          },
        );
        this.waiting.set(timer, resolve);
      });
    }
    this.begin();
  }

  stop(): void {
    this.ended = true;
    for (const [timer, resolve] of this.waiting) {
      timer.cancel();
      resolve();
    }
    this.waiting.clear();
  }
}
