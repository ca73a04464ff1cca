// A TCP connection to PostgreSQL that can be made to fail: silent in both directions, as behind a broken network, or deaf,
// where all arrives but the notifications.
import { type AddressInfo, connect, createServer, type Socket } from "node:net";

export type LinkState = "whole" | "deaf" | "cut";

/** Type byte and length of a message of the server (PostgreSQL, "Message Formats"); the length counts itself. */
const TYPE_SIZE = 1;
const LENGTH_SIZE = 4;
const NOTIFICATION_RESPONSE = "A".charCodeAt(0);

export class DatabaseLink {
  private readonly sockets = new Set<Socket>();
  private readonly server = createServer((client) => this.join(client));
  private state: LinkState = "whole";

  private constructor(private readonly target: URL) {}

  /** Listens on a free port of loopback. */
  static async open(url: string): Promise<DatabaseLink> {
    const link = new DatabaseLink(new URL(url));
    await new Promise<void>((resolve) => link.server.listen(0, "127.0.0.1", resolve));
    return link;
  }

  /** The URL of the same database through this link. */
  get url(): string {
    const through = new URL(this.target);
    through.host = `127.0.0.1:${(this.server.address() as AddressInfo).port}`;
    return through.href;
  }

  set(state: LinkState): void {
    this.state = state;
    for (const socket of this.sockets) {
      if (state === "cut") socket.pause();
      else socket.resume();
    }
  }

  async close(): Promise<void> {
    for (const socket of this.sockets) socket.destroy();
    await new Promise((resolve) => this.server.close(resolve));
  }

  private join(client: Socket): void {
    const server = connect(Number(this.target.port), this.target.hostname);
    const messages = new ServerMessages();
    this.pass(client, server, (bytes) => bytes);
    this.pass(server, client, (bytes) => messages.whole(bytes, this.state === "deaf"));
  }

  private pass(from: Socket, to: Socket, filtered: (bytes: Buffer) => Buffer): void {
    this.sockets.add(from);
    if (this.state === "cut") from.pause();
    from.on("data", (bytes: Buffer) => {
      if (to.write(filtered(bytes))) return;
      from.pause();
      to.once("drain", () => this.state === "cut" || from.resume());
    });
    from.on("error", () => to.destroy());
    from.on("close", () => {
      this.sockets.delete(from);
      to.destroy();
    });
  }
}

/** The messages of one server connection, in whole ones, since a notification may come in pieces. */
class ServerMessages {
  private rest: Buffer = Buffer.alloc(0);

  /** All messages that are complete with `bytes`, without notifications where `deaf`. */
  whole(bytes: Buffer, deaf: boolean): Buffer {
    this.rest = Buffer.concat([this.rest, bytes]);
    const complete: Buffer[] = [];
    while (this.rest.length >= TYPE_SIZE + LENGTH_SIZE) {
      const size = TYPE_SIZE + this.rest.readUInt32BE(TYPE_SIZE);
      if (this.rest.length < size) break;
      const message = this.rest.subarray(0, size);
      if (!(deaf && message[0] === NOTIFICATION_RESPONSE)) complete.push(message);
      this.rest = this.rest.subarray(size);
    }
    return Buffer.concat(complete);
  }
}
