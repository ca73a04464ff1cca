// Whether a run really reached what it is for: a fault that never meets any work shows nothing.
import type { LogLevel } from "../../std/log.ts";
import type { History } from "../check/history.ts";

export class Coverage {
  readonly counts: Record<string, number> = {};
  isHealed = false;

  constructor(private readonly history: History) {}

  count(what: string): void {
    this.add(what, 1);
  }

  add(what: string, count: number): void {
    this.counts[what] = (this.counts[what] ?? 0) + count;
  }

  onFault(name: string): void {
    const { entries } = this.history;
    const recent = entries.slice(-200);
    if (recent.some(({ request, answer }) => request.kind === "put" && answer === undefined)) {
      this.count(`${name}, while a put was under way`);
    }
    if (recent.slice(-20).some(({ request, answer }) => request.kind === "put" && answer?.is === "done")) {
      this.count(`${name}, shortly after an acknowledged put`);
    }
  }

  onLog(node: string, level: LogLevel, message: string): void {
    if (level === "debug") return;
    this.count(
      `log of ${node[0] === "m" ? "the master" : node[0] === "c" ? "chunkservers" : "clients"}: ${message}`,
    );
  }

  onEvent(event: string, fields: readonly unknown[]): void {
    if (event === "crash" || event === "power loss") this.count(`${event} of ${String(fields[0])[0]}`);
  }
}
