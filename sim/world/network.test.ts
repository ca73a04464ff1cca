// The simulated network as programs see it, and its faults.
import { describe, expect, test } from "bun:test";
import type { Net, Socket, SocketHandlers } from "../../std/net.ts";
import type { NetworkOptions } from "./network.ts";
import { SeededRandom } from "./seeded-random.ts";
import { World } from "./world.ts";

const SEEDS = Array.from({ length: 25 }, (_, seed) => seed);

/** What one side of a stream has seen. */
class Side {
  socket!: Socket;
  readonly pieces: Buffer[] = [];
  closes: (Error | undefined)[] = [];
  drains = 0;
  readonly handlers: SocketHandlers = {
    onData: (bytes) => this.pieces.push(Buffer.from(bytes)),
    onDrain: () => this.drains++,
    onClose: (error) => this.closes.push(error),
  };

  get received(): Buffer {
    return Buffer.concat(this.pieces);
  }

  get closedBy(): string | undefined {
    return this.closes.length === 0 ? undefined : ((this.closes[0] as NodeJS.ErrnoException)?.code ?? "end");
  }
}

interface Pair {
  world: World;
  near: Side;
  far: Side;
  netOf: Record<"a" | "b", Net>;
}

async function nodes(seed: number, network?: NetworkOptions): Promise<Pick<Pair, "world" | "netOf">> {
  const world = new World(seed, { network });
  const a = await world.run(
    world.node("a").start(async (env) => env.net),
    10,
  );
  const b = await world.run(
    world.node("b").start(async (env) => env.net),
    10,
  );
  return { world, netOf: { a, b } };
}

/** A stream from a to b. */
async function connected(seed: number, network?: NetworkOptions): Promise<Pair> {
  const { world, netOf } = await nodes(seed, network);
  const [near, far] = [new Side(), new Side()];
  const accepted = Promise.withResolvers<void>();
  await world.run(
    netOf.b.listen("b:1", (socket) => {
      far.socket = socket;
      accepted.resolve();
      return far.handlers;
    }),
    10,
  );
  near.socket = await world.run(netOf.a.connect("b:1", near.handlers), 5_000);
  await world.run(accepted.promise, 5_000);
  return { world, near, far, netOf };
}

const code = (promise: Promise<unknown>): Promise<string> =>
  promise.then(
    () => "resolved",
    (error: { code?: string }) => error.code ?? String(error),
  );

describe("a stream", () => {
  test("keeps the order of its bytes both ways, however they are cut, and under losses", async () => {
    const pieces = new Set<number>();
    for (const seed of SEEDS) {
      const { world, near, far } = await connected(seed, { split: 0.5, merge: 0.3, loss: 0.1 });
      const random = new SeededRandom(`stream ${seed}`);
      const sent = { near: [] as Buffer[], far: [] as Buffer[] };
      for (let i = 0; i < 50; i++) {
        const bytes = random.bytes(random.int(1, 500));
        if (random.chance(0.5)) near.socket.write([sent.near[sent.near.push(bytes) - 1]!]);
        else far.socket.write([sent.far[sent.far.push(bytes) - 1]!, Buffer.alloc(0)]);
        if (random.chance(0.5)) await world.pass(random.between(0, 0.3));
      }
      await world.pass(60_000);
      expect(far.received.equals(Buffer.concat(sent.near))).toBe(true);
      expect(near.received.equals(Buffer.concat(sent.far))).toBe(true);
      pieces.add(far.pieces.length - sent.near.length);
    }
    expect([...pieces].some((more) => more > 0)).toBe(true);
    expect([...pieces].some((more) => more < 0)).toBe(true);
  });

  test("owns what it received: the sender's bytes are another copy", async () => {
    const { world, near, far } = await connected(1, { split: 0 });
    const bytes = Buffer.from("abc");
    near.socket.write([bytes]);
    await world.pass(10);
    bytes.fill(0);
    expect(far.received.toString()).toBe("abc");
  });

  test("tells both ends when one ends it, after all that was sent", async () => {
    for (const seed of SEEDS) {
      const { world, near, far } = await connected(seed);
      near.socket.write([Buffer.from("last words")]);
      near.socket.end();
      near.socket.write([Buffer.from("too late")]);
      await world.pass(1_000);
      expect(far.received.toString()).toBe("last words");
      expect([near.closedBy, far.closedBy]).toEqual(["end", "end"]);
      expect([near.closes.length, far.closes.length]).toEqual([1, 1]);
    }
  });

  test("that is destroyed tells both ends, by its end or by a reset", async () => {
    const seen = new Set<string | undefined>();
    for (const seed of SEEDS) {
      const { world, near, far } = await connected(seed);
      near.socket.destroy();
      await world.pass(1_000);
      expect(near.closes.length).toBe(1);
      expect(far.closes.length).toBe(1);
      seen.add(far.closedBy);
    }
    expect(seen).toEqual(new Set(["end", "ECONNRESET"]));
  });

  test("queues what the kernel does not take, drains once, and is slowed by a reader that pauses", async () => {
    const { world, near, far } = await connected(3, {
      sendBufferBytes: 64 << 10,
      receiveBufferBytes: 64 << 10,
    });
    far.socket.pause();
    const bytes = new SeededRandom("queue").bytes(1 << 20);
    near.socket.write([bytes]);
    await world.pass(5_000);
    expect(far.received.length).toBe(0);
    expect(near.socket.queuedBytes).toBeGreaterThan(700 << 10);
    expect(near.drains).toBe(0);
    far.socket.resume();
    await world.pass(60_000);
    expect(far.received.equals(bytes)).toBe(true);
    expect(near.socket.queuedBytes).toBe(0);
    expect(near.drains).toBe(1);
  });
});

describe("connecting", () => {
  test("is refused where nobody listens, and an address is taken once", async () => {
    const { world, netOf } = await nodes(1);
    expect(await world.run(code(netOf.a.connect("b:9", new Side().handlers)), 1_000)).toBe("ECONNREFUSED");
    const listener = await world.run(
      netOf.b.listen("b:0", () => new Side().handlers),
      10,
    );
    expect(listener.address).toMatch(/^b:\d+$/);
    expect(await world.run(code(netOf.b.listen(listener.address, () => new Side().handlers)), 10)).toBe(
      "EADDRINUSE",
    );
    await world.run(listener.close(), 10);
    expect(await world.run(code(netOf.a.connect(listener.address, new Side().handlers)), 1_000)).toBe(
      "ECONNREFUSED",
    );
  });

  test("to a host that is off takes long and fails, and succeeds once the host is back", async () => {
    const { world, netOf } = await nodes(1);
    const b = world.nodes.get("b")!;
    b.powerLoss();
    const since = world.time;
    expect(await world.run(code(netOf.a.connect("b:1", new Side().handlers)), 300_000)).toBe("ETIMEDOUT");
    expect(world.time - since).toBeGreaterThan(60_000);
    const waiting = netOf.a.connect("b:1", new Side().handlers);
    await world.pass(2_000);
    await world.run(
      b.start((env) => env.net.listen("b:1", () => new Side().handlers)),
      100,
    );
    expect(await world.run(code(waiting), 20_000)).toBe("resolved");
  });
});

describe("faults", () => {
  test("a partition holds everything back; when it ends, what was sent arrives", async () => {
    const { world, near, far } = await connected(5);
    world.network.partition("a", "b");
    near.socket.write([Buffer.from("one")]);
    far.socket.write([Buffer.from("two")]);
    await world.pass(10_000);
    expect([near.received.length, far.received.length]).toEqual([0, 0]);
    world.network.mend("a", "b");
    await world.pass(60_000);
    expect([near.received.toString(), far.received.toString()]).toEqual(["two", "one"]);
    expect([near.closes.length, far.closes.length]).toEqual([0, 0]);
  });

  test("a one-way partition lets the other direction through, until its sender runs out of acknowledgements", async () => {
    const { world, near, far } = await connected(6, { sendBufferBytes: 1000 });
    world.network.partition("a", "b", { oneWay: true });
    near.socket.write([Buffer.from("lost")]);
    far.socket.write([Buffer.alloc(5000, 1)]);
    await world.pass(10_000);
    expect(far.received.length).toBe(0);
    expect(near.received.length).toBe(1000);
    world.network.heal();
    await world.pass(60_000);
    expect(far.received.toString()).toBe("lost");
    expect(near.received.length).toBe(5000);
  });

  test("a clogged link delays, in one direction", async () => {
    const { world, near, far } = await connected(7);
    world.network.clog("a", "b", 3_000);
    near.socket.write([Buffer.from("slow")]);
    far.socket.write([Buffer.from("fast")]);
    await world.pass(2_900);
    expect([near.received.toString(), far.received.toString()]).toEqual(["fast", ""]);
    await world.pass(200);
    expect(far.received.toString()).toBe("slow");
  });

  test("a reset loses what is under way and tells both ends", async () => {
    const { world, near, far } = await connected(8);
    near.socket.write([Buffer.from("under way")]);
    await world.pass(0);
    expect(world.network.reset("a", "b")).toBeGreaterThan(0);
    await world.pass(1_000);
    expect(far.received.length).toBe(0);
    expect([near.closedBy, far.closedBy]).toEqual(["ECONNRESET", "ECONNRESET"]);
    expect([near.closes.length, far.closes.length]).toEqual([1, 1]);
  });

  test("a process that dies tells its peers; what its kernel had may still arrive, nothing after", async () => {
    const seen = new Set<string>();
    for (const seed of SEEDS) {
      const { world, near, far } = await connected(seed);
      near.socket.write([Buffer.from("bye")]);
      await world.pass(0);
      world.nodes.get("a")!.crash();
      near.socket.write([Buffer.from("from the grave")]);
      await world.pass(1_000);
      expect(near.closes.length).toBe(0);
      expect(far.closes.length).toBe(1);
      expect(["", "bye"]).toContain(far.received.toString());
      seen.add(`${far.closedBy} ${far.received}`);
    }
    expect(seen).toContain("end bye");
    expect([...seen].some((outcome) => outcome.startsWith("ECONNRESET"))).toBe(true);
  });

  test("a host without power tells nobody; back on, it resets what it does not know", async () => {
    const { world, near, far } = await connected(10);
    const b = world.nodes.get("b")!;
    b.powerLoss();
    near.socket.write([Buffer.from("anybody?")]);
    await world.pass(60_000);
    expect([near.closes.length, far.closes.length]).toEqual([0, 0]);
    await world.run(
      b.start(async () => {}),
      100,
    );
    await world.pass(130_000);
    expect(near.closedBy).toBe("ECONNRESET");
    expect(far.received.length).toBe(0);
  });

  test("a reset that is lost behind a one-way partition comes with a later try", async () => {
    const { world, near } = await connected(12);
    const b = world.nodes.get("b")!;
    b.powerLoss();
    await world.run(
      b.start(async () => {}),
      100,
    );
    world.network.partition("b", "a", { oneWay: true });
    near.socket.write([Buffer.from("anybody?")]);
    await world.pass(10_000);
    expect(near.closes.length).toBe(0);
    world.network.heal();
    await world.pass(60_000);
    expect(near.closedBy).toBe("ECONNRESET");
  });

  test("a peer that is never heard of again is given up", async () => {
    const { world, near } = await connected(11);
    world.nodes.get("b")!.powerLoss();
    near.socket.write([Buffer.from("anybody?")]);
    await world.pass(1_200_000);
    expect(near.closedBy).toBe("ETIMEDOUT");
  });
});
