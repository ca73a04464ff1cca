// One side of a TCP stream, as std/net's sockets behave under Bun.
import type { Socket, SocketHandlers } from "../../std/net.ts";
import type { Links } from "./links.ts";
import { type Destination, Pipe, type PipeOptions } from "./pipe.ts";
import type { SimProcess } from "./process.ts";
import type { Scheduler } from "./scheduler.ts";
import type { SeededRandom } from "./seeded-random.ts";

export interface EndpointParts {
  scheduler: Scheduler;
  links: Links;
  random: SeededRandom;
  pipes: PipeOptions;
  isOn(node: string): boolean;
}

/** Takes what Node's sockets report: an error with a code. */
export function netError(code: string, what: string): Error {
  return Object.assign(new Error(`${what}: ${code}`), { code });
}

export class Endpoint implements Socket, Destination {
  handlers: SocketHandlers | undefined;
  private peer!: Endpoint;
  private out!: Pipe;
  private corked: Uint8Array[] = [];
  private corkedBytes = 0;
  private received: Uint8Array[] = [];
  private unreadBytes = 0;
  private paused = false;
  private ending = false;
  /** The kernel has no such socket any more. */
  private closed = false;
  private endReceived = false;
  private delivering = false;

  constructor(
    private readonly parts: EndpointParts,
    private readonly process: SimProcess,
    readonly remoteAddress: string,
    private readonly onGone: (endpoint: Endpoint) => void,
  ) {}

  /** Makes two endpoints one stream. */
  static join(a: Endpoint, b: Endpoint): void {
    a.connectTo(b);
    b.connectTo(a);
  }

  private connectTo(peer: Endpoint): void {
    const { scheduler, links, random, pipes } = this.parts;
    this.peer = peer;
    const source = {
      drained: () => this.process.enter(() => !this.closed && this.handlers?.onDrain()),
      broken: (code: string) => this.break(netError(code, `connection to ${this.remoteAddress}`)),
    };
    const [from, to] = [this.process.node, peer.process.node];
    this.out = new Pipe(scheduler, links, random, pipes, from, to, source, peer);
  }

  get node(): string {
    return this.process.node;
  }

  get peerNode(): string {
    return this.peer.process.node;
  }

  get queuedBytes(): number {
    return this.corkedBytes + this.out.queuedBytes;
  }

  write(parts: readonly Uint8Array[]): void {
    if (this.closed || this.ending || !this.process.alive) return;
    // What one turn of a program writes leaves in one packet, and not before that turn is over.
    if (this.corked.length === 0) this.parts.scheduler.atEventEnd(() => this.uncork());
    for (const part of parts) {
      if (part.length === 0) continue;
      this.corked.push(part);
      this.corkedBytes += part.length;
    }
  }

  private uncork(): void {
    const { corked } = this;
    if (corked.length === 0) return;
    this.corked = [];
    this.corkedBytes = 0;
    if (!this.closed && this.process.alive) this.out.write(corked);
  }

  pause(): void {
    this.paused = true;
  }

  resume(): void {
    if (!this.paused) return;
    this.paused = false;
    this.deliverSoon();
  }

  end(): void {
    if (this.closed || this.ending || !this.process.alive) return;
    this.uncork();
    this.ending = true;
    this.out.end();
    if (this.endReceived) this.finish();
  }

  destroy(): void {
    if (this.closed || !this.process.alive) return;
    this.leave();
    this.tellClosed(undefined);
  }

  // What the other side's kernel sees.

  isOn(): boolean {
    return this.parts.isOn(this.process.node);
  }

  isOpen(): boolean {
    return !this.closed;
  }

  unread(): number {
    return this.unreadBytes;
  }

  receive(bytes: Uint8Array): void {
    this.received.push(bytes);
    this.unreadBytes += bytes.length;
    this.deliver();
  }

  receiveEnd(): void {
    this.endReceived = true;
    this.deliver();
  }

  private deliverSoon(): void {
    if (this.delivering) return;
    this.delivering = true;
    this.parts.scheduler.after(0, () => {
      this.delivering = false;
      this.deliver();
    });
  }

  /** Hands on what has come, as code of the program; it may stop reading at any piece. */
  private deliver(): void {
    this.process.enter(() => {
      const { handlers } = this;
      if (!handlers || this.delivering) return;
      const wasFull = this.unreadBytes > 0 && this.received.length > 1;
      while (this.received.length > 0 && !this.paused && !this.closed) {
        const bytes = this.received.shift()!;
        this.unreadBytes -= bytes.length;
        handlers.onData(bytes);
      }
      if (wasFull) this.peer.out.windowOpened();
      if (this.endReceived && this.received.length === 0 && !this.closed) this.finish();
    });
  }

  /** The peer ended the stream: this side does the same, as std/net does, and is done. */
  private finish(): void {
    this.closed = true;
    this.out.endNow();
    this.onGone(this);
    this.tellClosed(undefined);
  }

  /** The program accepted or made the connection: what has come meanwhile is its. */
  attach(handlers: SocketHandlers): void {
    this.handlers = handlers;
    if (this.received.length > 0 || this.endReceived) this.deliverSoon();
  }

  /** The program, or its kernel for it, gives the socket up: the peer hears of it by a FIN or by a reset. */
  leave(): void {
    if (this.closed) return;
    this.closed = true;
    this.onGone(this);
    const { random, scheduler, links } = this.parts;
    if (this.unreadBytes === 0 && random.chance(0.5)) {
      this.out.endNow();
      return;
    }
    this.out.cut();
    if (links.isBlocked(this.node, this.peerNode)) return;
    scheduler.at(links.arrival(this.node, this.peerNode, 0), () => this.peer.break(this.resetError()));
  }

  /** The machine lost its power: nobody hears anything. */
  vanish(): void {
    this.closed = true;
    this.out.cut();
    this.onGone(this);
  }

  /** Something on the way resets the stream: what is under way in either direction is lost. */
  reset(): void {
    this.break(this.resetError());
    this.peer.break(this.peer.resetError());
  }

  private resetError(): Error {
    return netError("ECONNRESET", `connection to ${this.remoteAddress}`);
  }

  private break(error: Error): void {
    if (this.closed || !this.isOn()) return;
    this.closed = true;
    this.out.cut();
    this.received = [];
    this.unreadBytes = 0;
    this.parts.scheduler.record("reset", this.node, this.peerNode);
    this.onGone(this);
    this.tellClosed(error);
  }

  private tellClosed(error: Error | undefined): void {
    this.parts.scheduler.after(0, () => this.process.enter(() => this.handlers?.onClose(error)));
  }
}
