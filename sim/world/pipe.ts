// One direction of a TCP stream: the sender's queue, the kernels' buffers, the bytes on the wire. Bytes keep their order
// and are never lost one by one; a loss is a delay, and in the end the end of the stream.
import { type Links, RETRANSMIT_MS_MIN } from "./links.ts";
import type { Scheduler } from "./scheduler.ts";
import type { SeededRandom } from "./seeded-random.ts";

export interface PipeOptions {
  /** What the sender's kernel takes before bytes have to queue in the program. */
  sendBufferBytes: number;
  /** What the receiver's kernel keeps for a program that does not read. */
  receiveBufferBytes: number;
  /** Chance that what one write sent arrives as several pieces. */
  split: number;
  /** Chance that a write joins what is still on the way. */
  merge: number;
}

export const PIPE_DEFAULTS: PipeOptions = {
  sendBufferBytes: 2 << 20,
  receiveBufferBytes: 4 << 20,
  split: 0.1,
  merge: 0.1,
};

/** The machine at the other end, as the sender's kernel sees it. */
export interface Destination {
  /** Switched on, so that it answers at all. */
  isOn(): boolean;
  /** The stream's own socket is there. */
  isOpen(): boolean;
  /** Bytes that the receiving program has not taken. */
  unread(): number;
  receive(bytes: Uint8Array): void;
  receiveEnd(): void;
}

/** What the sender learns. */
export interface Source {
  /** The queue is empty after it was not. */
  drained(): void;
  /** The stream is over: the peer's kernel does not know it, or nothing was heard for too long. */
  broken(code: "ECONNRESET" | "ETIMEDOUT"): void;
}

interface Segment {
  /** Undefined: the end of the stream. */
  bytes: Uint8Array | undefined;
}

const WAKE_SHARE = 3;
const EMPTY = new Uint8Array(0);
const RETRANSMIT_MS_MAX = 120_000;
/** tcp_retries2: after so long without an answer the stream is given up. */
const GIVE_UP_MS = 924_000;
/** A segment that is larger is joined by no other: the copy would cost more than it shows. */
const MERGE_BYTES_MAX = 16 << 10;
/** Between two segments of one stream, ms. */
const APART_MS = 0.0005;

export class Pipe {
  /** Bytes that the sender's kernel has not taken. */
  queuedBytes = 0;
  private readonly queue: Uint8Array[] = [];
  private readonly segments: Segment[] = [];
  /** Bytes that the kernel took and that are not acknowledged. */
  private unacknowledged = 0;
  private lastArrival = 0;
  private ended = false;
  /** The end of the stream waits for room in the kernel. */
  private ending = false;
  private closed = false;
  private retryMs = RETRANSMIT_MS_MIN;
  private retrying = false;
  private silentSince = 0;

  constructor(
    private readonly scheduler: Scheduler,
    private readonly links: Links,
    private readonly random: SeededRandom,
    private readonly options: PipeOptions,
    private readonly from: string,
    private readonly to: string,
    private readonly source: Source,
    private readonly destination: Destination,
  ) {}

  write(parts: readonly Uint8Array[]): void {
    for (const part of parts) {
      this.queue.push(part);
      this.queuedBytes += part.length;
    }
    this.fillKernel();
  }

  /** Ends the stream behind what was written. */
  end(): void {
    if (this.ended) return;
    this.ended = true;
    this.ending = true;
    this.fillKernel();
  }

  /** The sender's program is gone: what its kernel has goes on its way, the rest is lost. */
  endNow(): void {
    this.queue.length = 0;
    this.queuedBytes = 0;
    if (this.ended) this.fillKernel();
    else this.end();
  }

  /** Nothing more is sent, and nothing that is under way arrives. */
  cut(): void {
    this.closed = true;
    this.segments.length = 0;
    this.queue.length = 0;
    this.queuedBytes = 0;
  }

  private fillKernel(): void {
    if (this.closed) return;
    const room = this.options.sendBufferBytes - this.unacknowledged;
    const taken = this.takeFromQueue(room);
    if (taken.length > 0) {
      this.unacknowledged += taken.length;
      this.enqueue(taken);
    }
    if (this.ending && this.queuedBytes === 0) this.sendEnd();
  }

  private sendEnd(): void {
    this.ending = false;
    const segment: Segment = { bytes: undefined };
    this.segments.push(segment);
    this.transmit(segment);
  }

  /** A copy of up to `room` queued bytes: the receiver owns what arrives. */
  private takeFromQueue(room: number): Uint8Array {
    const taken: Uint8Array[] = [];
    let size = 0;
    while (this.queue.length > 0 && size < room) {
      const part = this.queue[0]!;
      const rest = room - size;
      if (part.length > rest) {
        taken.push(part.subarray(0, rest));
        this.queue[0] = part.subarray(rest);
        size += rest;
      } else {
        taken.push(part);
        this.queue.shift();
        size += part.length;
      }
    }
    this.queuedBytes -= size;
    return taken.length === 0 ? EMPTY : Buffer.concat(taken);
  }

  private enqueue(bytes: Uint8Array): void {
    const last = this.segments.at(-1);
    if (last?.bytes && last.bytes.length <= MERGE_BYTES_MAX && this.random.chance(this.options.merge)) {
      last.bytes = Buffer.concat([last.bytes, bytes]);
      return;
    }
    for (const piece of this.pieces(bytes)) {
      const segment: Segment = { bytes: piece };
      this.segments.push(segment);
      this.transmit(segment);
    }
  }

  private pieces(bytes: Uint8Array): Uint8Array[] {
    if (bytes.length < 2 || !this.random.chance(this.options.split)) return [bytes];
    // The border of a frame is where parsers go wrong, so half of the cuts are near one end.
    const near = Math.min(bytes.length - 1, 48);
    const at = this.random.chance(0.5) ? this.random.int(1, near) : this.random.int(1, bytes.length - 1);
    return [bytes.subarray(0, at), bytes.subarray(at)];
  }

  private transmit(segment: Segment): void {
    // Behind one that has to be sent again everything waits, and is sent again with it.
    if (this.retrying) return;
    if (this.links.isBlocked(this.from, this.to)) {
      this.retryLater();
      return;
    }
    this.send(segment);
  }

  private send(segment: Segment): void {
    const arrival = this.links.arrival(this.from, this.to, segment.bytes?.length ?? 0);
    this.lastArrival = Math.max(this.lastArrival + APART_MS, arrival);
    this.scheduler.at(this.lastArrival, () => this.arrive(segment));
  }

  private arrive(segment: Segment): void {
    // One before it was lost, or it came twice.
    if (this.closed || this.segments[0] !== segment) return;
    const { destination } = this;
    if (!destination.isOn()) {
      this.retryLater();
      return;
    }
    if (!destination.isOpen()) {
      this.answeredByReset();
      return;
    }
    const size = segment.bytes?.length ?? 0;
    if (destination.unread() > 0 && destination.unread() + size > this.options.receiveBufferBytes) {
      this.retryLater();
      return;
    }
    this.segments.shift();
    this.scheduler.record(
      "arrive",
      this.from,
      this.to,
      size,
      segment.bytes ? Bun.hash.crc32(segment.bytes) : 0,
    );
    if (size > 0) this.acknowledge(size);
    if (segment.bytes) destination.receive(segment.bytes);
    else destination.receiveEnd();
  }

  private acknowledge(size: number): void {
    if (this.links.isBlocked(this.to, this.from)) {
      this.scheduler.after(RETRANSMIT_MS_MIN, () => this.acknowledge(size));
      return;
    }
    // Only a sender that waits for room needs to be woken.
    if (this.queuedBytes === 0) {
      this.unacknowledged -= size;
      return;
    }
    this.scheduler.at(this.links.arrival(this.to, this.from, 0), () => {
      this.unacknowledged -= size;
      // As Linux does: a program is told of room only when there is some worth its while.
      const room = this.options.sendBufferBytes - this.unacknowledged;
      const worthwhile = Math.min(this.queuedBytes, this.options.sendBufferBytes / WAKE_SHARE);
      if (this.closed || this.queuedBytes === 0 || room < worthwhile) return;
      this.fillKernel();
      if (this.queuedBytes === 0) this.source.drained();
    });
  }

  /** The receiver has room again: what waited for that comes. */
  windowOpened(): void {
    if (this.retrying) this.scheduler.at(this.links.arrival(this.to, this.from, 0), () => this.retransmit());
  }

  private retryLater(): void {
    if (this.retrying || this.closed) return;
    this.retrying = true;
    if (this.retryMs === RETRANSMIT_MS_MIN) this.silentSince = this.scheduler.now;
    this.scheduler.after(this.retryMs, () => this.retry());
    this.retryMs = Math.min(RETRANSMIT_MS_MAX, this.retryMs * 2);
  }

  private retry(): void {
    if (!this.retrying || this.closed) return;
    this.retrying = false;
    if (this.scheduler.now - this.silentSince > GIVE_UP_MS) {
      this.cut();
      this.source.broken("ETIMEDOUT");
      return;
    }
    this.retransmit();
  }

  private retransmit(): void {
    this.retrying = false;
    if (this.closed) return;
    if (this.links.isBlocked(this.from, this.to) || !this.destination.isOn()) {
      this.retryLater();
      return;
    }
    this.retryMs = RETRANSMIT_MS_MIN;
    for (const segment of this.segments) this.send(segment);
  }

  /** A reset that is lost on the way back is no answer: what it answered is sent again. */
  private answeredByReset(): void {
    if (this.links.isBlocked(this.to, this.from)) {
      this.retryLater();
      return;
    }
    this.cut();
    this.scheduler.at(this.links.arrival(this.to, this.from, 0), () => this.source.broken("ECONNRESET"));
  }
}
