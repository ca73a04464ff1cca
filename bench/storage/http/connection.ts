// One HTTP/1.1 connection with one exchange at a time. Written on the bare socket because the load generator must not be
// what is measured: for 4 KiB objects it takes 12-17 us of CPU a request, where fetch takes 22-27 and node:http 46-64;
// for 8 MiB bodies 1.7 ms, where fetch takes 3.8-6.4 (Bun 1.4.5; bench/README.md tells how that was measured).
import type { Socket } from "bun";
import { type BodySink, type ResponseHead, ResponseReader } from "./response-reader.ts";

/** An exchange that ended without a response. */
export class ConnectionError extends Error {
  override name = "ConnectionError";
  constructor(
    readonly code: "CONNECT_FAILED" | "CONNECTION_LOST" | "TIMEOUT" | "BAD_RESPONSE",
    message: string,
    options?: ErrorOptions,
  ) {
    super(message, options);
  }
}

export interface Endpoint {
  hostname: string;
  port: number;
  /** Undefined: plain HTTP. */
  tls?: { ca?: string };
}

/** A request without a response after this long counts as an error, ms. */
export const RESPONSE_TIMEOUT_MS = 60_000;
/** A request that fits is one write, and mostly one segment. */
const ONE_WRITE_SIZE_MAX = 64 << 10;

interface Exchange {
  reader: ResponseReader;
  resolve(head: ResponseHead): void;
  reject(error: ConnectionError): void;
}

export class HttpConnection {
  private socket: Socket | undefined;
  private exchanging: Exchange | undefined;
  private readonly unsent: Uint8Array[] = [];

  constructor(private readonly endpoint: Endpoint) {}

  /**
   * Sends `head` (request line and headers, with the empty line) and `body`; resolves when the response is read to its
   * end, each piece of its body given to `onBody`. Opens the connection when it is not. Rejects with
   * {@link ConnectionError}; the connection is then gone, and the next exchange opens another.
   */
  async exchange(head: string, body: readonly Uint8Array[], onBody: BodySink): Promise<ResponseHead> {
    this.socket ??= await this.open();
    return new Promise((resolve, reject) => {
      const timer = setTimeout(
        () => this.fail(new ConnectionError("TIMEOUT", `no response in ${RESPONSE_TIMEOUT_MS} ms`)),
        RESPONSE_TIMEOUT_MS,
      );
      this.exchanging = {
        reader: new ResponseReader(head.startsWith("HEAD "), onBody),
        resolve(response) {
          clearTimeout(timer);
          resolve(response);
        },
        reject(error) {
          clearTimeout(timer);
          reject(error);
        },
      };
      this.send(Buffer.from(head, "latin1"), body);
    });
  }

  close(): void {
    this.socket?.end();
    this.socket = undefined;
  }

  private async open(): Promise<Socket> {
    const { hostname, port, tls } = this.endpoint;
    try {
      return await Bun.connect({
        hostname,
        port,
        tls: tls ? { ca: tls.ca, serverName: hostname } : undefined,
        socket: {
          binaryType: "buffer",
          open: (socket) => void socket.setNoDelay(true),
          data: (_, bytes) => this.received(bytes),
          drain: () => this.drain(),
          close: (socket) => this.lost(socket, undefined),
          end: (socket) => this.lost(socket, undefined),
          error: (socket, error) => this.lost(socket, error),
          connectError: () => {}, // The promise rejects too.
        },
      });
    } catch (error) {
      throw new ConnectionError("CONNECT_FAILED", `cannot connect to ${hostname}:${port}`, { cause: error });
    }
  }

  private send(head: Buffer, body: readonly Uint8Array[]): void {
    const size = body.reduce((sum, part) => sum + part.length, head.length);
    const parts =
      size <= ONE_WRITE_SIZE_MAX && body.length > 0 ? [Buffer.concat([head, ...body])] : [head, ...body];
    for (const part of parts) if (part.length > 0) this.unsent.push(part);
    this.drain();
  }

  private drain(): void {
    while (this.unsent.length > 0 && this.socket) {
      const part = this.unsent[0]!;
      const written = Math.max(0, this.socket.write(part));
      if (written < part.length) {
        this.unsent[0] = part.subarray(written);
        return;
      }
      this.unsent.shift();
    }
  }

  private received(bytes: Buffer): void {
    const exchange = this.exchanging;
    if (!exchange) {
      this.fail(new ConnectionError("BAD_RESPONSE", "bytes came without a request"));
      return;
    }
    try {
      if (!exchange.reader.push(bytes)) return;
    } catch (error) {
      this.fail(new ConnectionError("BAD_RESPONSE", (error as Error).message, { cause: error }));
      return;
    }
    const head = exchange.reader.head!;
    this.exchanging = undefined;
    // An answer before the whole request was read leaves the connection unusable, as does the server's wish.
    if (this.unsent.length > 0 || head.header("connection")?.toLowerCase() === "close") this.drop();
    exchange.resolve(head);
  }

  private lost(socket: Socket, cause: Error | undefined): void {
    if (socket !== this.socket) return;
    this.fail(new ConnectionError("CONNECTION_LOST", "the server closed the connection", { cause }));
  }

  private fail(error: ConnectionError): void {
    const exchange = this.exchanging;
    this.exchanging = undefined;
    this.drop();
    exchange?.reject(error);
  }

  private drop(): void {
    const socket = this.socket;
    this.socket = undefined;
    this.unsent.length = 0;
    socket?.terminate();
  }
}
