// Chunks in which a writer has data that it has not committed yet, as writers say when they renew their leases. It is
// what keeps a sealed chunk that nothing refers to from being collected under an upload that goes on. Only a courtesy: a
// commit of what was collected is refused (STALE_EXTENT), so nothing here can make an answered commit untrue.
import type { Clock } from "../../std/clock.ts";

/** A writer's word holds for so long: it renews at least twice in it. */
export const WORD_MS = 60_000;
/** Handles kept; more are not noted, and then last for the margin alone. */
const HANDLES_MAX = 100_000;

export class UncommittedChunks {
  /** By handle: until when, monotonic ms; the word that was given longest ago first. */
  private readonly until = new Map<number, number>();

  constructor(private readonly clock: Clock) {}

  get size(): number {
    return this.until.size;
  }

  /** A writer has data in `handles` that it may still commit. */
  note(handles: readonly number[]): void {
    const end = this.clock.monotonic() + WORD_MS;
    for (const handle of handles) {
      if (!this.until.delete(handle) && this.until.size >= HANDLES_MAX) continue;
      this.until.set(handle, end);
    }
  }

  has(handle: number): boolean {
    return (this.until.get(handle) ?? 0) > this.clock.monotonic();
  }

  /** Forgets what nobody has repeated. */
  expire(): void {
    const now = this.clock.monotonic();
    for (const [handle, end] of this.until) {
      if (end > now) return;
      this.until.delete(handle);
    }
  }
}
