// A connection on which a request is sent by hand, at the pace that a test wants.
import { connect, type Socket } from "node:net";
import { connect as connectTls } from "node:tls";
import type { PlainS3 } from "./plain-s3.ts";

export class Caller {
  received = "";
  closed = false;
  private wake: () => void = () => {};

  private constructor(readonly socket: Socket) {
    socket.on("data", (bytes) => {
      this.received += bytes.toString("latin1");
      this.wake();
    });
    socket.on("error", () => {});
    socket.on("drain", () => this.wake());
    socket.on("close", () => {
      this.closed = true;
      this.wake();
    });
  }

  /** To the host and port of `url`, over TLS for https; its certificate is not looked at. */
  static async open(url: string): Promise<Caller> {
    const { protocol, hostname: host, port } = new URL(url);
    const isTls = protocol === "https:";
    const place = { host, port: Number(port) };
    const socket = isTls ? connectTls({ ...place, rejectUnauthorized: false }) : connect(place);
    const opened = isTls ? "secureConnect" : "connect";
    await new Promise<void>((resolve, reject) => socket.once(opened, resolve).once("error", reject));
    return new Caller(socket);
  }

  /** The head of a PUT of `length` bytes, signed by `s3`, without its body. */
  beginPut(s3: PlainS3, path: string, length: number, query?: string): this {
    const headers = s3.signed("PUT", path, query, { "content-length": String(length) });
    const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
    const target = query === undefined ? path : `${path}?${query}`;
    this.socket.write(`PUT ${target} HTTP/1.1\r\n${lines.join("")}\r\n`);
    return this;
  }

  /** Sends `pieces` no faster than they are taken; ends early once there is an answer or no connection any more. */
  async sendAll(pieces: Iterable<Uint8Array>): Promise<void> {
    for (const piece of pieces) {
      this.socket.write(piece);
      while (this.socket.writableNeedDrain && !this.isOver) await this.change();
      if (this.isOver) return;
    }
  }

  /** The status of the answer; rejects where none comes. */
  async answer(): Promise<number> {
    while (!this.isOver) await this.change();
    if (this.status === undefined) throw new Error("the connection ended without an answer");
    return this.status;
  }

  get status(): number | undefined {
    const status = /^HTTP\/1\.1 (\d{3})/.exec(this.received)?.[1];
    return status === undefined ? undefined : Number(status);
  }

  private get isOver(): boolean {
    return this.closed || this.received.includes("\r\n\r\n");
  }

  private change(): Promise<void> {
    return new Promise((resolve) => {
      this.wake = resolve;
    });
  }
}
