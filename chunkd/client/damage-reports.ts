import type { Clock } from "../../std/clock.ts";
import type { Log } from "../../std/log.ts";
import { describe } from "./errors.ts";
import type { LocationSource } from "./replica-choice.ts";

/** The same replica is reported again no earlier than this, ms. */
const REPEAT_MS = 10_000;
const REPORTED_MAX = 1_000;

/** Tells the master of replicas that gave bad bytes, each once in a while. */
export class DamageReports {
  private readonly reportedAt = new Map<string, number>();

  constructor(
    private readonly env: { clock: Clock; log: Log },
    private readonly source: LocationSource,
  ) {}

  /** Returns at once: no read waits for a report. */
  report(handle: number, replica: string, cause: unknown): void {
    const now = this.env.clock.monotonic();
    const key = `${handle}/${replica}`;
    const before = this.reportedAt.get(key);
    if (before !== undefined && now - before < REPEAT_MS) return;
    if (this.reportedAt.size >= REPORTED_MAX) this.reportedAt.clear();
    this.reportedAt.set(key, now);
    this.env.log.error("a replica gave bad bytes", { chunk: handle, replica, cause: describe(cause) });
    this.source.reportDamage({ handle, replica }).catch((error) => {
      this.reportedAt.delete(key);
      this.env.log.warn("a damaged replica could not be reported", {
        chunk: handle,
        replica,
        cause: describe(error),
      });
    });
  }
}
