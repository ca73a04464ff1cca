// The body of a node:http request as a stream that is pulled. Not the request's own iterator: that one destroys the
// socket when it is left early, and with it the answer that says why.
import type { IncomingMessage } from "node:http";
import type { Clock } from "../../../std/clock.ts";
import { freeBuffer } from "../../../std/free-buffer.ts";
import type { PausableBody, ReadingBudget } from "./reading-budget.ts";

/** Bytes that may wait here; from it on the socket is not read. A `data` event brings up to 512 KiB. */
const QUEUED_BYTES_MAX = 1 << 20;
/** A client that sends nothing for so long is given up. */
const IDLE_MS = 60_000;

export class IncomingBody implements AsyncIterableIterator<Uint8Array>, PausableBody {
  private readonly queue: Uint8Array[] = [];
  private queuedBytes = 0;
  /** The piece that was handed out last. */
  private handed: Uint8Array | undefined;
  private attached = false;
  private paused = false;
  private ended = false;
  private failure: Error | undefined;
  private wake: (() => void) | undefined;

  /**
   * `beforeRead` runs once, when the body is first asked for: the moment to send 100 Continue. `budget` is shared with
   * all other bodies; {@link release} gives back what this one has of it.
   */
  constructor(
    private readonly request: IncomingMessage,
    private readonly clock: Clock,
    private readonly beforeRead: () => void,
    private readonly budget: ReadingBudget,
  ) {}

  /** Whether somebody began to read; until then the client may be waiting for 100 Continue. */
  get asked(): boolean {
    return this.attached;
  }

  /** Whether all of the body has come in. */
  get complete(): boolean {
    return this.ended || this.request.complete;
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  /** The piece before is gone from now on: whoever wants to keep it has copied it. */
  async next(): Promise<IteratorResult<Uint8Array>> {
    this.attach();
    const { handed } = this;
    this.giveHanded();
    if (handed) freeBuffer(handed);
    while (this.queue.length === 0) {
      if (this.failure) throw this.failure;
      if (this.ended) return { done: true, value: undefined };
      await this.arrival();
    }
    const bytes = this.queue.shift()!;
    this.queuedBytes -= bytes.length;
    this.handed = bytes;
    if (this.queuedBytes < QUEUED_BYTES_MAX && !this.budget.spent) this.resume();
    return { done: false, value: bytes };
  }

  /** Reads no further; what is left of the body is for {@link discard}. */
  async return(): Promise<IteratorResult<Uint8Array>> {
    this.release();
    return { done: true, value: undefined };
  }

  /** Nobody reads on or has anything of the body any more: the same as {@link return}, and done once. */
  release(): void {
    this.ended = true;
    this.budget.leave(this);
    this.resumeSocket();
    this.giveHanded();
    if (this.queuedBytes > 0) this.budget.give(this.queuedBytes);
    this.queue.length = 0;
    this.queuedBytes = 0;
  }

  /**
   * Reads and drops what is left of the body, so that the client gets to read its answer and the connection can serve
   * another request; gives the client up after `bytesMax` bytes or `ms`.
   */
  discard(bytesMax: number, ms: number): void {
    if (this.request.complete || this.request.destroyed) return;
    let left = bytesMax;
    const deadline = this.clock.after(ms, () => this.request.destroy());
    this.request.removeAllListeners("data");
    this.request.on("data", (bytes: Uint8Array) => {
      left -= bytes.length;
      if (left < 0) this.request.destroy();
    });
    this.request.once("close", () => deadline.cancel());
    this.request.once("end", () => deadline.cancel());
    this.request.on("error", () => deadline.cancel());
    this.request.resume();
  }

  /** For the {@link ReadingBudget}: the socket is not read for now. */
  pause(): void {
    if (this.paused) return;
    this.paused = true;
    this.request.pause();
    // The request alone would take one event more into its own buffer, 512 KiB that nobody counts. And it reads its
    // socket on after the event that it is in just now: so the socket is stopped behind that.
    queueMicrotask(() => {
      if (this.paused && this.hasSocket) this.request.socket.pause();
    });
  }

  /** For the {@link ReadingBudget}: the socket is read again, unless enough waits here. */
  resume(): void {
    if (!this.paused || this.queuedBytes >= QUEUED_BYTES_MAX) return;
    this.resumeSocket();
    this.request.resume();
  }

  private resumeSocket(): void {
    if (this.paused && this.hasSocket) this.request.socket.resume();
    this.paused = false;
  }

  /** A stream of HTTP/2 has its own window, and no say over the socket that it shares. */
  private get hasSocket(): boolean {
    return this.request.httpVersionMajor === 1 && !this.request.socket.destroyed;
  }

  private giveHanded(): void {
    if (this.handed) this.budget.give(this.handed.length);
    this.handed = undefined;
  }

  private attach(): void {
    if (this.attached) return;
    this.attached = true;
    this.request.on("data", (bytes: Uint8Array) => {
      if (this.ended) return;
      this.queue.push(bytes);
      this.queuedBytes += bytes.length;
      if (this.queuedBytes >= QUEUED_BYTES_MAX) this.pause();
      this.budget.take(this, bytes.length);
      this.wake?.();
    });
    this.budget.enter(this);
    this.request.once("end", () => this.finish());
    this.request.on("error", (error) => this.finish(error));
    this.request.once("close", () => {
      if (!this.ended) this.finish(new Error("the client closed the connection"));
    });
    this.beforeRead();
  }

  private finish(failure?: Error): void {
    this.failure ??= failure;
    if (!failure) this.ended = true;
    this.wake?.();
  }

  private arrival(): Promise<void> {
    return new Promise((resolve) => {
      const idle = this.clock.after(IDLE_MS, () =>
        this.finish(new Error(`no byte of the body came for ${IDLE_MS} ms`)),
      );
      this.wake = () => {
        this.wake = undefined;
        idle.cancel();
        resolve();
      };
    });
  }
}
