import type { Clock, Timer } from "./clock.ts";

const LOOK_MS = 100;
/** Growth that a collection has to be worth, bytes. */
const GROWTH_MIN = 24 << 20;

export interface ResidentLimitParts {
  clock: Clock;
  /** Resident memory of this process, bytes. */
  resident(): number;
  collect(): void;
}

/**
 * Collects garbage when the process has grown above `bytes` and has grown since the last time. The collector goes by the
 * bytes that its heap has allocated; the buffers of streams lie outside, and at many hundred MB/s they pile up faster
 * than it looks.
 */
export class ResidentLimit {
  private timer: Timer | undefined;
  private before = 0;

  constructor(
    private readonly parts: ResidentLimitParts,
    private readonly bytes: number,
  ) {
    this.schedule();
  }

  private schedule(): void {
    this.timer = this.parts.clock.after(LOOK_MS, () => {
      this.look();
      this.schedule();
    });
  }

  private look(): void {
    const { resident, collect } = this.parts;
    const now = resident();
    // What a collection could not free is not asked for again; what the system took back since lowers the mark.
    this.before = Math.min(this.before, now);
    if (now < this.bytes || now < this.before + GROWTH_MIN) return;
    collect();
    this.before = resident();
  }

  stop(): void {
    this.timer?.cancel();
  }
}
