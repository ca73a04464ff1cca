// What the log could not keep, so that it says so itself: how many events, and of which time.
import { type Entry, entryOf, SYSTEM } from "./entry.ts";

export class Losses {
  /** Events since the start. */
  total = 0;
  /** Of these, such that no entry tells of yet. */
  untold = 0;
  private firstAt = 0;
  private lastAt = 0;

  add({ time, count }: Entry): void {
    if (this.untold === 0) this.firstAt = time;
    this.lastAt = time;
    this.untold += count;
    this.total += count;
  }

  /** The entry that tells of them, once; undefined where there is nothing to tell. */
  told(): Entry | undefined {
    if (this.untold === 0) return undefined;
    const lost = this.untold;
    this.untold = 0;
    const [first, last] = [this.firstAt, this.lastAt].map((ms) => new Date(ms).toISOString());
    return entryOf(
      {
        actor: SYSTEM,
        action: "audit:EntriesLost",
        resource: "",
        outcome: "failed",
        code: "queue_full",
        details: { lost, first: first!, last: last! },
      },
      this.lastAt,
      lost,
    );
  }
}
