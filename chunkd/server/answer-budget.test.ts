import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import type { Connection } from "../protocol/connection.ts";
import { ChunkOp } from "../protocol/messages.ts";
import { append, grant, SECRETS, Servers } from "../testing/cluster.ts";
import { frameBytes, HostileClient } from "../testing/hostile-client.ts";
import { ANSWER_BYTES_MAX, AnswerBudget } from "./answer-budget.ts";

/** A peer that is told of answers and may go. */
class Peer {
  readonly taken: (() => void)[] = [];
  readonly failures: unknown[] = [];
  private listener: (error: Error) => void = () => {};

  onClose(listener: (error: Error) => void): void {
    this.listener = listener;
  }

  leave(): void {
    this.listener(new Error("gone"));
    for (const taken of this.taken.splice(0)) taken();
  }

  /** Asks for answers of `sizes`, in order. */
  async ask(budget: AnswerBudget, ...sizes: number[]): Promise<void> {
    for (const size of sizes) {
      budget
        .run(this, size, () => ({ meta: undefined }))
        .then(
          (reply) => this.taken.push(reply.taken!),
          (error) => this.failures.push(error),
        );
    }
    await settled();
  }
}

/** When all that can be answered has been. */
const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

describe("the bytes of answers under way", () => {
  test("are half of all for the first peer, half of the rest for the next, and some for one that is new", async () => {
    const budget = new AnswerBudget(64);
    const peers = Array.from({ length: 6 }, () => new Peer());
    const counts: number[] = [];
    for (const peer of peers) {
      await peer.ask(budget, ...new Array(100).fill(1));
      counts.push(peer.taken.length);
    }
    expect(counts).toEqual([32, 16, 8, 4, 2, 1]);
    expect(budget.bytes).toBe(63);
  });

  test("go to those that wait, in turn and whoever has the least first, when others are done", async () => {
    const budget = new AnswerBudget(4);
    const [first, second, third] = [new Peer(), new Peer(), new Peer()];
    await first.ask(budget, 4, 1);
    await second.ask(budget, 1, 1, 1);
    await third.ask(budget, 1, 1, 1);
    expect([first, second, third].map(({ taken }) => taken.length)).toEqual([1, 0, 0]);
    first.taken.shift()!();
    await settled();
    expect([first, second, third].map(({ taken }) => taken.length)).toEqual([1, 1, 1]);
    expect(budget.bytes).toBe(3);
    for (const peer of [first, second, third]) peer.taken.shift()!();
    await settled();
    expect(second.taken.length + third.taken.length).toBeGreaterThanOrEqual(2);
  });

  test("come back from a peer that goes, and what it waited for is never done", async () => {
    const budget = new AnswerBudget(4);
    const [first, second] = [new Peer(), new Peer()];
    await first.ask(budget, 4, 4);
    await second.ask(budget, 2);
    first.leave();
    await settled();
    expect(first.failures).toEqual([expect.objectContaining({ code: "DISCONNECTED" })]);
    expect(second.taken).toHaveLength(1);
    expect(budget.bytes).toBe(2);
  });

  test("come back from an answer that fails", async () => {
    const budget = new AnswerBudget(4);
    const peer = new Peer();
    const fails = budget.run(peer, 4, () => Promise.reject(new Error("no such chunk")));
    expect(fails).rejects.toThrow("no such chunk");
    await settled();
    expect(budget.bytes).toBe(0);
  });
});

const HANDLE = 7;
const PAYLOAD = Buffer.alloc(1 << 20, 5);
const READ = { handle: HANDLE, offset: 64, firstBlock: 0, blockCount: 16 };
const READERS = 4;
const ASKED = 250;

describe("readers that take nothing of what they asked for", () => {
  let servers: Servers;
  let good: Connection;
  const readers: HostileClient[] = [];

  beforeEach(async () => {
    servers = await Servers.start(3);
    good = await servers.connect(0, "client");
    await append(good, grant(HANDLE, servers.replicas), PAYLOAD);
  });
  afterEach(async () => {
    for (const reader of readers.splice(0)) reader[Symbol.dispose]();
    await servers[Symbol.asyncDispose]();
  });

  for (const [name, opcode, meta] of [
    ["reads", ChunkOp.read, READ],
    ["streams", ChunkOp.stream, { handle: HANDLE, offset: 64, size: 1 << 20 }],
  ] as const) {
    test(`cost no more than the budget when they ask for ${READERS * ASKED} MiB of ${name}, and others are served`, async () => {
      for (let at = 0; at < READERS; at++) {
        const reader = await HostileClient.authenticated(servers.all[0]!.address, SECRETS, "client");
        reader.stopReading();
        readers.push(reader);
      }
      await good.call(opcode, meta);
      Bun.gc(true);
      const before = process.memoryUsage.rss();
      for (let requestId = 1; requestId <= ASKED; requestId++) {
        for (const reader of readers) reader.send(frameBytes({ opcode, requestId, meta }));
      }
      for (let turn = 0; turn < 20; turn++) {
        const { body } = await good.call(opcode, meta);
        expect(body.length).toBeGreaterThanOrEqual(1 << 20);
      }
      // What the good reader was given is garbage by now; what waits for the others is not.
      Bun.gc(true);
      expect(process.memoryUsage.rss() - before).toBeLessThan(ANSWER_BYTES_MAX + (64 << 20));
    }, 60_000);
  }
});
