import { readSync } from "node:fs";
import type { Socket as BunSocket } from "bun";
import { canSetReceiveMark, setReceiveMark } from "./receive-mark.ts";
import { canSendFile, sendFile } from "./sendfile.ts";

/** `host:port`, `[v6]:port` or `unix:/path`. */
export type Address = string;

/** Bytes of an open file on their way into a socket. */
export interface FileRange {
  /** The open file's. */
  descriptor: number;
  position: number;
  /** At least 1. */
  size: number;
  /** Called once, when the file is not needed any more: all is sent, or the stream has ended. */
  release(): void;
}

/** A duplex byte stream. All calls are synchronous; bytes that the kernel does not take are queued. */
export interface Socket {
  /** Takes `parts` for sending, in order. The caller must not change them afterwards. */
  write(parts: readonly Uint8Array[]): void;
  /**
   * Takes bytes of a file for sending, in order with what is written, without a copy through this process. Waits for the
   * disk where they are not in memory. A file that ends early drops the stream. Absent where the system cannot do it.
   */
  sendFile?(range: FileRange): void;
  /**
   * Until the next call the receiver has no use for less than `size` bytes: they may come together. The end of the stream
   * is told at once all the same. Absent where the system cannot do it.
   */
  gather?(size: number): void;
  /** Bytes taken by {@link write} and {@link sendFile} that the kernel has not taken yet. */
  readonly queuedBytes: number;
  /** Stops (and starts again) delivery to `onData`, so that the peer is slowed by TCP itself. */
  pause(): void;
  resume(): void;
  /** Sends what is queued, then ends the stream. */
  end(): void;
  /** Drops the stream at once. */
  destroy(): void;
  readonly remoteAddress: string;
}

export interface SocketHandlers {
  /** `bytes` belong to the receiver. */
  onData(bytes: Uint8Array): void;
  /** The queue is empty again after it was not. */
  onDrain(): void;
  /** Called once, whatever ended the stream. */
  onClose(error?: Error): void;
}

export interface Listener {
  /** The real address, with the port that the kernel chose for port 0. */
  readonly address: Address;
  close(): Promise<void>;
}

/** Stream sockets as a part sees them; a simulator implements the same with faults. */
export interface Net {
  /** Rejects with Node's error (`ECONNREFUSED`, `ENOENT`, `ETIMEDOUT`). */
  connect(address: Address, handlers: SocketHandlers): Promise<Socket>;
  /** Rejects with `EADDRINUSE` when the port is taken. */
  listen(address: Address, accept: (socket: Socket) => SocketHandlers): Promise<Listener>;
}

type Target = { hostname: string; port: number } | { unix: string };

/** Throws `TypeError` unless `address` has one of the forms of {@link Address}. */
export function parseAddress(address: Address): Target {
  if (address.startsWith("unix:")) return { unix: address.slice(5) };
  const match = /^(?:\[([0-9a-fA-F:.]+)\]|([^:[\]]+)):(\d{1,5})$/.exec(address);
  const port = Number(match?.[3]);
  if (!match || port > 65535) throw new TypeError(`"${address}" is not host:port, [v6]:port or unix:/path`);
  return { hostname: (match[1] ?? match[2])!, port };
}

/** Parts up to this size wait for others of the same turn; a larger one is written as it is, without a copy. */
const CORK_PART_MAX = 16 << 10;
/** What has gathered is written once it is more than this. */
const CORK_BYTES_MAX = 256 << 10;
/** What is read and written of a file for the kernel to tell when the socket takes more. */
const FILE_PIECE_SIZE = 64 << 10;

class SystemSocket implements Socket {
  handlers!: SocketHandlers;
  private readonly queue: (Uint8Array | FileRange)[] = [];
  private queued = 0;
  private corked: Uint8Array[] = [];
  private corkedBytes = 0;
  private ending = false;
  private closed = false;
  readonly sendFile = canSendFile() ? (range: FileRange) => this.takeFile(range) : undefined;

  readonly gather = canSetReceiveMark() ? (size: number) => this.setMark(size) : undefined;
  private mark = 1;

  constructor(private readonly socket: BunSocket<SystemSocket>) {}

  get queuedBytes(): number {
    return this.queued + this.corkedBytes;
  }

  get remoteAddress(): string {
    return this.socket.remoteAddress ?? "unix";
  }

  write(parts: readonly Uint8Array[]): void {
    if (this.closed || this.ending) return;
    for (const part of parts) {
      if (part.length === 0) continue;
      if (part.length <= CORK_PART_MAX) this.cork(part);
      else this.writeNow(part);
    }
  }

  /** Small parts of one turn of the event loop leave in one write: the system call costs more than the copy. */
  private cork(part: Uint8Array): void {
    if (this.corked.length === 0) setImmediate(() => this.uncork());
    this.corked.push(part);
    this.corkedBytes += part.length;
    if (this.corkedBytes > CORK_BYTES_MAX) this.uncork();
  }

  private uncork(): void {
    const { corked } = this;
    if (corked.length === 0 || this.closed) return;
    this.corked = [];
    this.corkedBytes = 0;
    this.hand(corked.length === 1 ? corked[0]! : Buffer.concat(corked));
  }

  private writeNow(part: Uint8Array): void {
    this.uncork();
    this.hand(part);
  }

  /** Gives bytes to the kernel, or queues what it does not take. */
  private hand(part: Uint8Array): void {
    if (this.queue.length > 0) {
      this.enqueue(part);
      return;
    }
    const written = Math.max(0, this.socket.write(part));
    if (written < part.length) this.enqueue(part.subarray(written));
  }

  private enqueue(part: Uint8Array): void {
    this.queue.push(part);
    this.queued += part.length;
  }

  private takeFile(range: FileRange): void {
    if (this.closed || this.ending) {
      range.release();
      return;
    }
    this.uncork();
    this.queue.push({ ...range });
    this.queued += range.size;
    if (this.queue.length === 1) this.sendQueued();
  }

  drain(): void {
    if (!this.sendQueued()) return;
    if (this.ending) this.socket.end();
    else this.handlers.onDrain();
  }

  /** Hands the queue to the kernel; false as soon as it takes no more. */
  private sendQueued(): boolean {
    while (this.queue.length > 0) {
      const part = this.queue[0]!;
      const isSent = part instanceof Uint8Array ? this.sendBytes(part) : this.sendRange(part);
      if (!isSent) return false;
      this.queue.shift();
    }
    return true;
  }

  private sendBytes(part: Uint8Array): boolean {
    const written = Math.max(0, this.socket.write(part));
    this.queued -= written;
    if (written === part.length) return true;
    this.queue[0] = part.subarray(written);
    return false;
  }

  private sendRange(range: FileRange): boolean {
    try {
      while (range.size > 0) {
        const sent = this.sendSome(range);
        range.position += sent;
        range.size -= sent;
        this.queued -= sent;
        if (sent === 0) return false;
      }
    } catch (error) {
      // A frame that was begun cannot be taken back: the peer must not wait for its end.
      this.onClose(error as Error);
      this.socket.terminate();
      return false;
    }
    range.release();
    return true;
  }

  /** Returns how many bytes left; 0 when the socket is full, and the drain event is then sure to come. */
  private sendSome({ descriptor, position, size }: FileRange): number {
    const sent = sendFile(this.descriptor, descriptor, position, size);
    if (sent > 0) return sent;
    // Only a write that the kernel did not take whole arms the drain event.
    const piece = Buffer.allocUnsafe(Math.min(size, FILE_PIECE_SIZE));
    const read = sent === 0 ? 0 : readSync(descriptor, piece, 0, piece.length, position);
    if (read === 0) throw new Error("the file is shorter than what was to be sent of it");
    return Math.max(0, this.socket.write(piece.subarray(0, read)));
  }

  private setMark(size: number): void {
    if (this.closed || size === this.mark) return;
    this.mark = size;
    setReceiveMark(this.descriptor, size);
  }

  private get descriptor(): number {
    return (this.socket as { fd?: number }).fd ?? -1;
  }

  pause(): void {
    this.socket.pause();
  }

  resume(): void {
    this.socket.resume();
  }

  end(): void {
    if (this.closed) return;
    this.uncork();
    this.ending = true;
    if (this.queue.length === 0) this.socket.end();
  }

  destroy(): void {
    if (!this.closed) this.socket.terminate();
  }

  onClose(error?: Error): void {
    if (this.closed) return;
    this.closed = true;
    for (const part of this.queue.splice(0)) if (!(part instanceof Uint8Array)) part.release();
    this.queued = 0;
    this.corked = [];
    this.handlers.onClose(error);
  }
}

const callbacks = {
  binaryType: "buffer" as const,
  data(socket: BunSocket<SystemSocket>, bytes: Buffer): void {
    socket.data.handlers.onData(bytes);
  },
  drain(socket: BunSocket<SystemSocket>): void {
    socket.data.drain();
  },
  end(socket: BunSocket<SystemSocket>): void {
    socket.end();
  },
  close(socket: BunSocket<SystemSocket>, error?: Error): void {
    socket.data?.onClose(error);
  },
  error(socket: BunSocket<SystemSocket>, error: Error): void {
    socket.data?.onClose(error);
    socket.terminate();
  },
};

export const systemNet: Net = {
  async connect(address, handlers) {
    let system: SystemSocket | undefined;
    const failed = Promise.withResolvers<never>();
    // A refused connection reaches `connectError`; without the hook Bun reports it twice.
    const target = parseAddress(address);
    const common = {
      data: undefined as unknown as SystemSocket,
      socket: {
        ...callbacks,
        open(socket: BunSocket<SystemSocket>) {
          socket.setNoDelay?.(true);
          system = new SystemSocket(socket);
          system.handlers = handlers;
          socket.data = system;
        },
        connectError(_socket: BunSocket<SystemSocket>, error: Error) {
          failed.reject(error);
        },
      },
    };
    const connecting =
      "unix" in target
        ? Bun.connect<SystemSocket>({ ...target, ...common })
        : Bun.connect<SystemSocket>({ ...target, ...common });
    connecting.catch(() => {});
    failed.promise.catch(() => {});
    await Promise.race([connecting, failed.promise]);
    return system!;
  },

  async listen(address, accept) {
    const target = parseAddress(address);
    const common = {
      data: undefined as unknown as SystemSocket,
      socket: {
        ...callbacks,
        open(socket: BunSocket<SystemSocket>) {
          socket.setNoDelay?.(true);
          const system = new SystemSocket(socket);
          socket.data = system;
          system.handlers = accept(system);
        },
      },
    };
    if ("unix" in target) {
      const server = Bun.listen<SystemSocket>({ ...target, ...common });
      return { address, close: async () => server.stop(true) };
    }
    const server = Bun.listen<SystemSocket>({ ...target, ...common });
    return {
      address: `${bracket(target.hostname)}:${server.port}`,
      close: async () => server.stop(true),
    };
  },
};

function bracket(hostname: string): string {
  return hostname.includes(":") ? `[${hostname}]` : hostname;
}
