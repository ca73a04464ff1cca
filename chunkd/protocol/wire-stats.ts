// What a part counts of its wire: requests by operation, and what was refused. Plain numbers, told by its metrics file.
import { Histogram, Tally } from "../../std/histogram.ts";

/** Codes that say: this was never a request to serve. Everything else that fails is an error of the operation. */
const REFUSALS = [
  "BAD_FRAME",
  "BAD_VERSION",
  "TOO_LARGE",
  "UNAUTHENTICATED",
  "FORBIDDEN",
  "UNKNOWN_OPERATION",
  "BAD_REQUEST",
  "BAD_CAPABILITY",
  "OVERLOADED",
  "TIMEOUT",
] as const;

/** Whether an answer with `code` refuses the request rather than failing at it. */
export function isRefusal(code: string): boolean {
  return (REFUSALS as readonly string[]).includes(code);
}

export class OperationStats {
  readonly seconds = new Histogram();
  /** Of bodies that came with requests, and that left with answers. */
  bytesIn = 0;
  bytesOut = 0;
}

export class WireStats {
  /** Requests and connections that were refused, by reason. */
  readonly refused = new Tally(REFUSALS);
  /** Error answers that are no refusals, by code. */
  readonly failed = new Tally();
  /** Connections that were taken, ever. */
  accepted = 0;
  /** Connections of peers that have proved their role, and of those that have not yet. */
  peers = 0;
  strangers = 0;
  private readonly operations = new Map<number, OperationStats>();
  private readonly unknown = new OperationStats();

  /** `names`: every operation that this part serves, by name. A peer's opcode beyond them makes no entry. */
  constructor(private readonly names: Readonly<Record<string, number>>) {
    for (const opcode of Object.values(names)) this.operations.set(opcode, new OperationStats());
  }

  /** A request was answered, well or not, after `ms`. */
  answered(opcode: number, ms: number, bytesIn: number, bytesOut: number): void {
    const stats = this.operations.get(opcode) ?? this.unknown;
    stats.seconds.observe(ms / 1000);
    stats.bytesIn += bytesIn;
    stats.bytesOut += bytesOut;
  }

  refuse(code: string): void {
    if (isRefusal(code)) this.refused.add(code);
    else this.failed.add(code);
  }

  *byOperation(): Iterable<[name: string, stats: OperationStats]> {
    for (const [name, opcode] of Object.entries(this.names)) yield [name, this.operations.get(opcode)!];
  }
}
