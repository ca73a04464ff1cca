import type { Clock } from "../../std/clock.ts";
import { Tally } from "../../std/histogram.ts";
import { redactTarget } from "./redact.ts";

/** Which requests are logged: every one, those that failed (status 400 and above) or were slow, or none. */
export const ACCESS_LOG_MODES = ["all", "failures", "none"] as const;
export type AccessLogMode = (typeof ACCESS_LOG_MODES)[number];

export interface AccessRecord {
  listener: "https" | "http" | "s3";
  method: string;
  host: string;
  /** The request target; secrets are taken out of it here. */
  target: string;
  status: number;
  /** Bytes of the answer's body; absent where it is a stream of unknown length. */
  bytes?: number;
  /** From the request's header to the answer's, or to its last byte where that is seen. */
  ms: number;
  requestId: string;
  remote: string;
}

/** A request that took longer is worth a line though it succeeded. */
const SLOW_MS = 5_000;
const FLUSH_MS = 20;
/** Lines that wait to be written; beyond it they are counted and left out. */
const WAITING_LINES_MAX = 10_000;

/** Writes a JSON line a request, many in one write. */
export class AccessLog {
  /** Every request, logged or not, by "listener status". */
  readonly requests = new Tally();
  private waiting: string[] = [];
  private dropped = 0;

  constructor(
    private readonly mode: AccessLogMode,
    private readonly clock: Clock,
    private readonly write: (text: string) => void,
  ) {}

  /** Whether streams are worth following to their end. */
  get complete(): boolean {
    return this.mode === "all";
  }

  add(record: AccessRecord): void {
    this.requests.add(`${record.listener} ${record.status}`);
    if (!this.wants(record)) return;
    if (this.waiting.length >= WAITING_LINES_MAX) {
      this.dropped++;
      return;
    }
    if (this.waiting.length === 0) this.clock.after(FLUSH_MS, () => this.flush());
    const line = {
      time: new Date(this.clock.now()).toISOString(),
      level: record.status >= 500 ? "warn" : "info",
      message: "request",
      ...record,
      target: redactTarget(record.target),
      ms: Math.round(record.ms * 10) / 10,
    };
    this.waiting.push(JSON.stringify(line));
  }

  flush(): void {
    if (this.waiting.length === 0) return;
    const lines = this.waiting;
    this.waiting = [];
    if (this.dropped > 0) {
      const time = new Date(this.clock.now()).toISOString();
      lines.push(
        JSON.stringify({ time, level: "warn", message: "access log lines dropped", count: this.dropped }),
      );
      this.dropped = 0;
    }
    this.write(`${lines.join("\n")}\n`);
  }

  private wants({ status, ms }: AccessRecord): boolean {
    if (this.mode === "none") return false;
    return this.mode === "all" || status >= 400 || ms >= SLOW_MS;
  }
}
