// The S3 port with a raw socket on the other side: what HTTP clients do at their worst.
import { afterEach, beforeEach, expect, test } from "bun:test";
import { createHash } from "node:crypto";
import { connect, type Socket } from "node:net";
import { type Clock, systemClock } from "../../../std/clock.ts";
import { silentLog } from "../../../std/log.ts";
import { systemRandom } from "../../../std/random.ts";
import { S3Double, type Sent, signedHeaders } from "../testing/s3-double.ts";
import { listenS3, type S3Listener, type S3ListenOptions } from "./node-http.ts";

let s3: S3Double;
let listener: S3Listener;
const sockets: Socket[] = [];

async function listen(options: Partial<S3ListenOptions> = {}): Promise<void> {
  const environment = { clock: systemClock, random: systemRandom, log: silentLog };
  listener = await listenS3(s3.handler, { ...environment, hostname: "127.0.0.1", port: 0, ...options });
}

beforeEach(async () => {
  s3 = await S3Double.withBuckets();
});

afterEach(async () => {
  for (const socket of sockets.splice(0)) socket.destroy();
  await listener.close(0);
});

/** A connection and what came back over it so far. */
class Raw {
  readonly socket: Socket;
  size = 0;
  closed = false;
  private pieces: Buffer[] = [];
  private changed: () => void = () => {};

  constructor() {
    this.socket = connect(listener.port, "127.0.0.1");
    sockets.push(this.socket);
    this.socket.on("data", (bytes: Buffer) => {
      this.pieces.push(bytes);
      this.size += bytes.length;
      this.changed();
    });
    this.socket.on("error", () => {});
    this.socket.on("close", () => {
      this.closed = true;
      this.changed();
    });
  }

  get received(): Buffer {
    if (this.pieces.length !== 1) this.pieces = [Buffer.concat(this.pieces)];
    return this.pieces[0]!;
  }

  get text(): string {
    return this.received.toString("latin1");
  }

  async until(condition: () => boolean): Promise<void> {
    while (!condition()) await new Promise<void>((resolve) => (this.changed = resolve));
  }

  /** The head of the response that begins at `from`, once it is there. */
  async head(from = 0): Promise<string> {
    await this.until(() => this.text.indexOf("\r\n\r\n", from) >= 0 || this.closed);
    return this.text.slice(from, this.text.indexOf("\r\n\r\n", from) + 4);
  }
}

function head(method: string, path: string, headers: Record<string, string> = {}, sent: Sent = {}): string {
  const host = `127.0.0.1:${listener.port}`;
  const signed = signedHeaders(method, path, sent, headers, host);
  const lines = Object.entries(signed).map(([name, value]) => `${name}: ${value}\r\n`);
  const target = sent.query === undefined ? path : `${path}?${sent.query}`;
  return `${method} ${target} HTTP/1.1\r\n${lines.join("")}\r\n`;
}

async function stored(key: string): Promise<string | undefined> {
  const answer = await s3.send("GET", `/alices/${key}`, { as: "alice" });
  return answer.status === 200 ? answer.text : answer.code;
}

test("keys that URL parsers would change arrive as they are", async () => {
  await listen();
  for (const path of ["/alices/a/../b", "/alices//", "/alices/.", "/alices/%2F%2E"]) {
    const raw = new Raw();
    raw.socket.write(`${head("PUT", path, { "content-length": "1" })}x`);
    expect(await raw.head()).toStartWith("HTTP/1.1 200 ");
  }
  const listing = await s3.send("GET", "/alices", { as: "alice" });
  const keys = [...listing.text.matchAll(/<Key>(.*?)<\/Key>/g)].map((match) => match[1]);
  expect(keys).toEqual([".", "/", "/.", "a/../b"]);
});

test("many requests follow each other on one connection", async () => {
  await listen();
  const raw = new Raw();
  for (let i = 0; i < 5; i++) {
    const from = raw.size;
    raw.socket.write(`${head("PUT", `/alices/key-${i}`, { "content-length": "1" })}${i}`);
    expect(await raw.head(from)).toStartWith("HTTP/1.1 200 ");
  }
  expect(await stored("key-4")).toBe("4");
});

test.each([
  ["ends its side", (socket: Socket) => socket.end()],
  ["is gone", (socket: Socket) => socket.destroy()],
])("nothing is stored when the client %s before the body is whole", async (_, leave) => {
  const seen = Promise.withResolvers<void>();
  const read = s3.chunks.write.bind(s3.chunks);
  const finished = Promise.withResolvers<unknown>();
  s3.chunks.write = async (source) => {
    seen.resolve();
    return read(source).catch((error) => {
      finished.resolve(error);
      throw error;
    });
  };
  await listen();
  const raw = new Raw();
  raw.socket.write(`${head("PUT", "/alices/key", { "content-length": "100" })}only so much`);
  await seen.promise;
  leave(raw.socket);
  expect(await finished.promise).toMatchObject({ code: "IncompleteBody" });
  expect(await stored("key")).toBe("NoSuchKey");
});

test("a client that waits for 100 Continue is refused before it sends", async () => {
  await listen();
  const raw = new Raw();
  const headers = { "content-length": "1000000", expect: "100-continue" };
  raw.socket.write(head("PUT", "/bobs/key", headers));
  await raw.until(() => raw.closed);
  expect(raw.text).toStartWith("HTTP/1.1 403 ");
  expect(raw.text).toContain("<Code>AccessDenied</Code>");
});

test("a client that waits for 100 Continue gets it when its body is wanted", async () => {
  await listen();
  const raw = new Raw();
  raw.socket.write(head("PUT", "/alices/key", { "content-length": "4", expect: "100-continue" }));
  const first = await raw.head();
  expect(first).toStartWith("HTTP/1.1 100 ");
  raw.socket.write("body");
  expect(await raw.head(first.length)).toStartWith("HTTP/1.1 200 ");
  expect(await stored("key")).toBe("body");
});

test("a refused body is read away, and the connection serves on", async () => {
  await listen();
  const raw = new Raw();
  raw.socket.write(head("PUT", "/bobs/key", { "content-length": String(1 << 20) }));
  raw.socket.write(Buffer.alloc(1 << 20));
  await raw.until(() => raw.text.includes("</Error>"));
  const from = raw.size;
  raw.socket.write(head("HEAD", "/alices"));
  expect(await raw.head(from)).toStartWith("HTTP/1.1 200 ");
});

test("a refused body without end is cut off", async () => {
  await listen();
  const raw = new Raw();
  raw.socket.write(head("PUT", "/bobs/key", { "content-length": String(5 * 2 ** 30) }));
  const piece = Buffer.alloc(1 << 20);
  const pump = (): void => {
    while (!raw.closed && raw.socket.write(piece));
  };
  raw.socket.on("drain", pump);
  pump();
  await raw.until(() => raw.closed);
  expect(raw.text).toStartWith("HTTP/1.1 403 ");
});

test("a client that goes away in the middle of a download ends the read", async () => {
  const body = Buffer.alloc(20 << 20);
  await s3.send("PUT", "/alices/large", { as: "alice", body });
  let given = 0;
  s3.chunks.beforePiece = () => void given++;
  await listen();
  const raw = new Raw();
  raw.socket.write(head("GET", "/alices/large"));
  await raw.head();
  raw.socket.destroy();
  while (s3.chunks.returned === 0) await new Promise((resolve) => setImmediate(resolve));
  expect(given).toBeLessThan(20);
});

test("a client that does not read stops the read from storage", async () => {
  await s3.send("PUT", "/alices/large", { as: "alice", body: Buffer.alloc(32 << 20) });
  let given = 0;
  s3.chunks.beforePiece = () => void given++;
  await listen();
  const raw = new Raw();
  raw.socket.write(head("GET", "/alices/large"));
  await raw.head();
  raw.socket.pause();
  let before = -1;
  while (before !== given) {
    before = given;
    // Long enough for a server without back-pressure to give out everything.
    for (let i = 0; i < 500; i++) await new Promise((resolve) => setImmediate(resolve));
  }
  expect(given).toBeLessThan(24);
  raw.socket.resume();
  await raw.until(() => raw.size > 32 << 20);
  expect(given).toBe(32);
}, 20_000);

test("a read that fails on the way cuts the connection: fewer bytes than promised, none of another", async () => {
  await s3.send("PUT", "/alices/large", { as: "alice", body: "x".repeat(8 << 20) });
  s3.chunks.beforePiece = (at) => {
    if (at === 4 << 20) throw new Error("the chunk is gone");
  };
  await listen();
  const raw = new Raw();
  raw.socket.write(head("GET", "/alices/large"));
  await raw.until(() => raw.closed);
  const answered = await raw.head();
  expect(answered).toContain(`content-length: ${8 << 20}\r\n`);
  const body = raw.text.slice(answered.length);
  expect(body.length).toBeLessThanOrEqual(4 << 20);
  expect(body).toBe("x".repeat(body.length));
});

test("HEAD tells the length and sends nothing, so the next answer is in its place", async () => {
  await s3.send("PUT", "/alices/key", { as: "alice", body: "0123456789" });
  await listen();
  const raw = new Raw();
  raw.socket.write(head("HEAD", "/alices/key"));
  const first = await raw.head();
  expect(first).toContain("content-length: 10\r\n");
  expect(first).toMatch(/x-amz-request-id: [0-9A-F]{16}\r\n/);
  raw.socket.write(head("GET", "/alices/key"));
  expect(await raw.head(first.length)).toStartWith("HTTP/1.1 200 ");
  await raw.until(() => raw.text.endsWith("0123456789"));
});

test("E15: more requests at once than may be are told to slow down", async () => {
  const hold = Promise.withResolvers<void>();
  s3.chunks.beforePiece = () => hold.promise;
  await s3.send("PUT", "/alices/key", { as: "alice", body: "body" });
  await listen({ inFlightMax: 2 });
  const waiting = [new Raw(), new Raw()];
  for (const raw of waiting) raw.socket.write(head("GET", "/alices/key"));
  while ((s3.master.calls.get("getObject") ?? 0) < 2) await new Promise((resolve) => setImmediate(resolve));
  const refused = new Raw();
  refused.socket.write(head("GET", "/alices/key"));
  const answered = await refused.head();
  expect(answered).toStartWith("HTTP/1.1 503 ");
  expect(answered).toContain("retry-after: 1\r\n");
  await refused.until(() => refused.text.includes("<Code>SlowDown</Code>"));
  hold.resolve();
  for (const raw of waiting) await raw.until(() => raw.text.endsWith("body"));
});

test("E15: a client that stops sending is given up", async () => {
  let fire: (() => void) | undefined;
  const armed = Promise.withResolvers<void>();
  const clock: Clock = {
    ...systemClock,
    after(ms, run) {
      fire = run;
      if (ms === 60_000) armed.resolve();
      return { cancel() {} };
    },
  };
  await listen({ clock });
  const raw = new Raw();
  raw.socket.write(head("PUT", "/alices/key", { "content-length": "100" }));
  await armed.promise;
  fire!();
  expect(await raw.head()).toStartWith("HTTP/1.1 400 ");
  expect(await stored("key")).toBe("NoSuchKey");
});

test("large bodies pass both ways byte for byte", async () => {
  await listen();
  const body = systemRandom.bytes(16 << 20);
  const raw = new Raw();
  raw.socket.write(head("PUT", "/alices/large", { "content-length": String(body.length) }));
  raw.socket.write(body);
  const first = await raw.head();
  expect(first).toContain(`etag: "${createHash("md5").update(body).digest("hex")}"`);
  raw.socket.write(head("GET", "/alices/large"));
  const second = await raw.head(first.length);
  const total = first.length + second.length + body.length;
  await raw.until(() => raw.size >= total);
  expect(raw.received.subarray(total - body.length).equals(body)).toBe(true);
});
