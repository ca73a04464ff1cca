import type { SyncTotals } from "../protocol/messages.ts";

/** Counts the group commits of chunk files. */
export class SyncMeter {
  private count = 0;
  private bytes = 0;
  private seconds = 0;

  /** One fdatasync took `seconds` to make `bytes` durable. */
  add(bytes: number, seconds: number): void {
    this.count++;
    this.bytes += bytes;
    this.seconds += seconds;
  }

  get totals(): SyncTotals {
    return { count: this.count, bytes: this.bytes, seconds: this.seconds };
  }
}
