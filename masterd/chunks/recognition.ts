// Whether a master may speak yet. One that has just started may be an older copy of itself (F24), and only chunkservers
// can tell: until one that the catalog knows has registered, what it answered could be long untrue. They come within a
// second or two; where none does, nobody could contradict it, and metadata is served without them.
import type { Clock, Timer } from "../../std/clock.ts";

export const RECOGNITION_MS = 5_000;

export class Recognition {
  private readonly done = Promise.withResolvers<void>();
  private readonly timer: Timer | undefined;
  private recognised = false;

  /** `isNeeded`: the catalog knows chunkservers. */
  constructor(clock: Clock, isNeeded: boolean, withinMs = RECOGNITION_MS) {
    if (isNeeded && withinMs > 0) this.timer = clock.after(withinMs, () => this.end());
    else this.end();
  }

  /** Undefined once the master may speak; otherwise resolves then. */
  get pending(): Promise<void> | undefined {
    return this.recognised ? undefined : this.done.promise;
  }

  /** A chunkserver that the catalog knows has said what it has seen, or the master is to stop. */
  end(): void {
    this.recognised = true;
    this.timer?.cancel();
    this.done.resolve();
  }
}
