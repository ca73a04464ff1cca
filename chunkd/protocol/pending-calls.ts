// The calls of one connection that wait for their answers. One timer serves them all: a timer for each would cost more than
// the call's place in a frame.
import type { Clock, Timer } from "../../std/clock.ts";
import { disconnected } from "./error-meta.ts";
import { ProtocolError } from "./errors.ts";

export interface PendingCall {
  resolve(reply: { meta: unknown; body: Buffer | Buffer[] }): void;
  reject(error: Error): void;
  timeoutMs: number;
  /** The caller takes a large body as the pieces that it came in. */
  inPieces: boolean;
}

interface Waiting extends PendingCall {
  /** Monotonic ms. */
  deadline: number;
}

export class PendingCalls {
  private readonly waiting = new Map<number, Waiting>();
  private timer: Timer | undefined;
  /** When the timer goes off: never after the earliest deadline. */
  private timerAt = Number.POSITIVE_INFINITY;

  constructor(
    private readonly clock: Clock,
    /** Of the peer, for errors. */
    private readonly address: string,
  ) {}

  get size(): number {
    return this.waiting.size;
  }

  get(requestId: number): PendingCall | undefined {
    return this.waiting.get(requestId);
  }

  /** Rejects the call with `TIMEOUT` unless it is taken within its time. */
  add(requestId: number, { resolve, reject, timeoutMs, inPieces }: PendingCall): void {
    const deadline = this.clock.monotonic() + timeoutMs;
    this.waiting.set(requestId, { resolve, reject, timeoutMs, inPieces, deadline });
    if (deadline < this.timerAt) this.wakeAt(deadline, timeoutMs);
  }

  /** The call that an answer is for; undefined when it was given up. */
  take(requestId: number): PendingCall | undefined {
    const call = this.waiting.get(requestId);
    if (call) this.waiting.delete(requestId);
    return call;
  }

  /** Rejects all that wait with `DISCONNECTED`. */
  fail(error: Error): void {
    this.timer?.cancel();
    for (const call of this.waiting.values()) call.reject(disconnected(error));
    this.waiting.clear();
  }

  private wakeAt(deadline: number, ms: number): void {
    this.timer?.cancel();
    this.timerAt = deadline;
    this.timer = this.clock.after(ms, () => this.expire());
  }

  private expire(): void {
    const now = this.clock.monotonic();
    let next = Number.POSITIVE_INFINITY;
    this.timerAt = next;
    for (const [requestId, call] of this.waiting) {
      if (call.deadline > now) next = Math.min(next, call.deadline);
      else {
        this.waiting.delete(requestId);
        const message = `no answer from ${this.address} within ${call.timeoutMs} ms`;
        call.reject(new ProtocolError("TIMEOUT", message));
      }
    }
    if (next !== Number.POSITIVE_INFINITY) this.wakeAt(next, next - now);
  }
}
