import { assert } from "../../std/assert.ts";

/** Hands out a fixed number of units, first come first served. */
export class FairSemaphore {
  private free: number;
  private readonly queue: { units: number; grant: () => void }[] = [];

  constructor(private readonly unitsMax: number) {
    this.free = unitsMax;
  }

  get used(): number {
    return this.unitsMax - this.free;
  }

  /** Callers that wait for units. */
  get waiting(): number {
    return this.queue.length;
  }

  /** Resolves when `units` are the caller's, after everybody who asked before. */
  acquire(units: number): Promise<void> {
    assert(units > 0 && units <= this.unitsMax, "a request over the whole would wait for ever");
    if (this.tryAcquire(units)) return Promise.resolve();
    return new Promise((grant) => this.queue.push({ units, grant }));
  }

  /** Takes `units` if they are free now and nobody waits; never waits. */
  tryAcquire(units: number): boolean {
    if (this.queue.length > 0 || units > this.free) return false;
    this.free -= units;
    return true;
  }

  release(units: number): void {
    this.free += units;
    assert(this.free <= this.unitsMax, "units are released once");
    while (this.queue.length > 0 && this.queue[0]!.units <= this.free) {
      const { units: granted, grant } = this.queue.shift()!;
      this.free -= granted;
      grant();
    }
  }
}
