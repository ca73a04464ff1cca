// Whether a role still answers. One that hangs holds its ports and its locks, and only its end brings service back.
import type { Clock, Timer } from "../../std/clock.ts";

const PROBE_EVERY_MS = 10_000;
const PROBE_WITHIN_MS = 10_000;
/** Unanswered probes in a row: a role that is merely busy, or a disk that stalls, takes less than half a minute. */
const UNANSWERED_MAX = 3;
/** A timer that comes later than this shows that this process did not run itself: a machine that slept, a SIGSTOP. */
const AWAY_MS = 5_000;

/** Settles once the role has said something, whatever it is; gives up when `signal` is aborted. */
export type Probe = (signal: AbortSignal) => Promise<unknown>;

/** Probes one process of a role until {@link stop}. */
export class Liveness {
  private unanswered = 0;
  private timer: Timer | undefined;
  private readonly stopped = new AbortController();

  /** `onHung` is called once, after {@link UNANSWERED_MAX} probes without an answer. */
  constructor(
    private readonly clock: Clock,
    private readonly probe: Probe,
    private readonly onHung: () => void,
  ) {
    this.schedule();
  }

  stop(): void {
    this.timer?.cancel();
    this.stopped.abort();
  }

  private schedule(): void {
    const dueAt = this.clock.monotonic() + PROBE_EVERY_MS;
    this.timer = this.clock.after(PROBE_EVERY_MS, () => void this.look(dueAt));
  }

  private async look(dueAt: number): Promise<void> {
    if (this.clock.monotonic() > dueAt + AWAY_MS) this.unanswered = 0;
    const startedAt = this.clock.monotonic();
    const isAnswered = await this.answers();
    if (this.stopped.signal.aborted) return;
    const wasAway = this.clock.monotonic() > startedAt + PROBE_WITHIN_MS + AWAY_MS;
    this.unanswered = isAnswered || wasAway ? 0 : this.unanswered + 1;
    if (this.unanswered < UNANSWERED_MAX) this.schedule();
    else this.onHung();
  }

  /** A refusal is no sign of a process that hangs: the kernel accepts for one that does. Only silence is. */
  private answers(): Promise<boolean> {
    const giveUp = new AbortController();
    const signal = AbortSignal.any([giveUp.signal, this.stopped.signal]);
    return new Promise((resolve) => {
      const late = this.clock.after(PROBE_WITHIN_MS, () => {
        resolve(false);
        giveUp.abort();
      });
      const settled = () => {
        late.cancel();
        resolve(true);
      };
      this.probe(signal).then(settled, settled);
    });
  }
}

/** Asks the metrics listener at `url`, over the Unix socket `unix` where there is one. */
export function probeOf(url: string, unix?: string): Probe {
  return async (signal) => {
    const answer = await fetch(new URL("/livez", url), unix === undefined ? { signal } : { unix, signal });
    await answer.text();
  };
}
