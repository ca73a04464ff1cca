// The same questions to the real sockets and to the simulated ones: what a program may rely on must hold in both.
import { describe, expect, test } from "bun:test";
import { type Net, type Socket, type SocketHandlers, systemNet } from "../../std/net.ts";
import { SeededRandom } from "./seeded-random.ts";
import { World } from "./world.ts";

interface Bench {
  net: Net;
  /** Where to listen; any free port. */
  address: string;
  /** Where nobody listens. */
  nobody: string;
  run<T>(promise: Promise<T>): Promise<T>;
}

async function simulated(): Promise<Bench> {
  const world = new World(7, { network: { split: 0.3, loss: 0.01 } });
  const net = await world.run(
    world.node("n").start(async (env) => env.net),
    10,
  );
  return { net, address: "n:0", nobody: "n:9", run: (promise) => world.run(promise, 120_000) };
}

async function real(): Promise<Bench> {
  const free = await systemNet.listen("127.0.0.1:0", () => new Side().handlers);
  await free.close();
  return { net: systemNet, address: "127.0.0.1:0", nobody: free.address, run: (promise) => promise };
}

class Side {
  socket!: Socket;
  size = 0;
  closes = 0;
  readonly closed = Promise.withResolvers<void>();
  readonly drained = Promise.withResolvers<void>();
  private readonly pieces: Uint8Array[] = [];
  private waiting: { size: number; resolve(): void } | undefined;
  readonly handlers: SocketHandlers = {
    onData: (bytes) => {
      this.pieces.push(bytes);
      this.size += bytes.length;
      if (this.waiting && this.size >= this.waiting.size) this.waiting.resolve();
    },
    onDrain: () => this.drained.resolve(),
    onClose: () => {
      this.closes++;
      this.closed.resolve();
    },
  };

  get received(): Buffer {
    return Buffer.concat(this.pieces);
  }

  has(size: number): Promise<void> {
    if (this.size >= size) return Promise.resolve();
    return new Promise((resolve) => {
      this.waiting = { size, resolve };
    });
  }
}

async function stream({ net, address, run }: Bench) {
  const [near, far] = [new Side(), new Side()];
  const accepted = Promise.withResolvers<void>();
  const listener = await run(
    net.listen(address, (socket) => {
      far.socket = socket;
      accepted.resolve();
      return far.handlers;
    }),
  );
  near.socket = await run(net.connect(listener.address, near.handlers));
  await run(accepted.promise);
  return { near, far, listener };
}

const codeOf = (promise: Promise<unknown>): Promise<string> =>
  promise.then(
    () => "resolved",
    (error: { code?: string }) => error.code ?? String(error),
  );

describe.each([
  ["real", real],
  ["simulated", simulated],
] as const)("the %s network", (_name, make) => {
  test("refuses where nobody listens, and gives a port once", async () => {
    const bench = await make();
    expect(await bench.run(codeOf(bench.net.connect(bench.nobody, new Side().handlers)))).toBe(
      "ECONNREFUSED",
    );
    const { near, listener } = await stream(bench);
    expect(await bench.run(codeOf(bench.net.listen(listener.address, () => new Side().handlers)))).toBe(
      "EADDRINUSE",
    );
    near.socket.destroy();
    await bench.run(listener.close());
  });

  test("carries bytes both ways in their order, small and large", async () => {
    const bench = await make();
    const { near, far, listener } = await stream(bench);
    const random = new SeededRandom("contract");
    const parts = [10, 1, 100_000, 30, 2_000_000, 5].map((size) => random.bytes(size));
    const whole = Buffer.concat(parts);
    near.socket.write(parts.slice(0, 3));
    near.socket.write(parts.slice(3));
    far.socket.write(parts);
    await bench.run(Promise.all([far.has(whole.length), near.has(whole.length)]));
    expect(far.received.equals(whole)).toBe(true);
    expect(near.received.equals(whole)).toBe(true);
    near.socket.destroy();
    await bench.run(listener.close());
  });

  test("ends a stream behind what was written, for both ends, once", async () => {
    const bench = await make();
    const { near, far, listener } = await stream(bench);
    near.socket.write([Buffer.from("last words")]);
    near.socket.end();
    near.socket.write([Buffer.from("too late")]);
    await bench.run(Promise.all([near.closed.promise, far.closed.promise]));
    expect(far.received.toString()).toBe("last words");
    expect([near.closes, far.closes]).toEqual([1, 1]);
    await bench.run(listener.close());
  });

  test("tells both ends of a stream that one destroys, once", async () => {
    const bench = await make();
    const { near, far, listener } = await stream(bench);
    far.socket.destroy();
    await bench.run(Promise.all([near.closed.promise, far.closed.promise]));
    near.socket.write([Buffer.from("nobody reads this")]);
    near.socket.destroy();
    await bench.run(listener.close());
    expect([near.closes, far.closes]).toEqual([1, 1]);
  });

  test("ends the streams of a listener that closes", async () => {
    const bench = await make();
    const { near, far, listener } = await stream(bench);
    await bench.run(listener.close());
    await bench.run(Promise.all([near.closed.promise, far.closed.promise]));
    expect(await bench.run(codeOf(bench.net.connect(listener.address, new Side().handlers)))).toBe(
      "ECONNREFUSED",
    );
  });

  test("queues what a peer that does not read leaves no room for, and drains when it reads again", async () => {
    const bench = await make();
    const { near, far, listener } = await stream(bench);
    far.socket.pause();
    const bytes = new SeededRandom("much").bytes(16 << 20);
    near.socket.write([bytes]);
    expect(near.socket.queuedBytes).toBeGreaterThan(0);
    far.socket.resume();
    await bench.run(Promise.all([near.drained.promise, far.has(bytes.length)]));
    expect(near.socket.queuedBytes).toBe(0);
    expect(far.received.equals(bytes)).toBe(true);
    near.socket.destroy();
    await bench.run(listener.close());
  });
});
