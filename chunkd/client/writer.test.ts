// What the writer does when something fails, on chunkservers whose faults are scripted.
import { afterEach, describe, expect, test } from "bun:test";
import { RemoteError } from "../protocol/errors.ts";
import type { Extent } from "../protocol/record.ts";
import { APPEND_WITHIN_MS } from "./appender.ts";
import { fastClock, turn, until } from "./testing/clocks.ts";
import type { Script, ScriptedServer } from "./testing/scripted-server.ts";
import { inPieces, patterned, scriptedCluster, type TestCluster } from "./testing/test-cluster.ts";

const MIB = 1 << 20;

let cluster: TestCluster<ScriptedServer>;
afterEach(() => cluster.close());

async function begin(...options: Parameters<typeof scriptedCluster>): Promise<void> {
  cluster = await scriptedCluster(...options);
}

function write(bytes: Buffer, sizeHint: number | undefined = bytes.length): Promise<Extent[]> {
  return cluster.writer.write(inPieces(bytes), sizeHint);
}

async function expectStored(extents: Extent[], bytes: Buffer): Promise<void> {
  expect((await cluster.read(extents)).equals(bytes)).toBe(true);
}

function scriptAll(script: Script): void {
  for (const server of cluster.servers) server.script = script;
}

/** Runs `fault` at the first append only. */
function once(
  fault: (chunk: number) => void | Promise<void>,
): (request: { handle: number }) => void | Promise<void> {
  let isFirst = true;
  return ({ handle }) => {
    if (!isFirst) return;
    isFirst = false;
    return fault(handle);
  };
}

async function rejection(promise: Promise<unknown>) {
  const error = await promise.then(
    () => undefined,
    (error) => error,
  );
  return { name: error?.name, code: error?.code, retryAfterMs: error?.retryAfterMs };
}

describe("an append that fails", () => {
  for (const code of [
    "NO_QUORUM",
    "NOT_OPEN",
    "STALE_VERSION",
    "CHUNK_FULL",
    "DISK_FAILED",
    "NO_SPACE",
    "INTERNAL",
  ]) {
    test(`with ${code} is made again on a fresh chunk, and the old one is handed back`, async () => {
      await begin();
      let failed = 0;
      const fail = once((chunk) => {
        failed = chunk;
        throw new RemoteError(code, "scripted");
      });
      scriptAll({ beforeAppend: fail });
      // More than are under way at once: what is cut after the failure goes to the fresh chunk.
      const bytes = patterned(16 * MIB);
      const extents = await write(bytes);
      await expectStored(extents, bytes);
      expect(extents.at(-1)!.handle).not.toBe(failed);
      await until(() => cluster.master.closed.includes(failed));
      expect(cluster.writer.inFlightBytes).toBe(0);
    });
  }

  test("with OVERLOADED is made again without giving the chunk up", async () => {
    await begin();
    const fail = once(() => {
      throw new RemoteError("OVERLOADED", "slow down");
    });
    scriptAll({ beforeAppend: fail });
    const bytes = patterned(1000);
    await expectStored(await write(bytes), bytes);
    expect(cluster.master.closed).toEqual([]);
  });

  test("without an answer leaves garbage: the record is written again elsewhere, never counted twice", async () => {
    await begin({ clock: fastClock(50) });
    let lost: { chunk: number; offset: number } | undefined;
    scriptAll({
      beforeAppendAnswer({ handle }, { offset }) {
        if (lost) return;
        lost = { chunk: handle, offset };
        return new Promise(() => {});
      },
    });
    const bytes = patterned(1000);
    const extents = await write(bytes);
    await expectStored(extents, bytes);
    expect(extents).toHaveLength(1);
    expect(extents[0]!.handle).not.toBe(lost!.chunk);
    expect(cluster.master.closed).toContain(lost!.chunk);
  });

  test("by an answer that is about another record is not believed", async () => {
    await begin();
    let isFirst = true;
    scriptAll({
      beforeAppendAnswer(_, answer) {
        if (isFirst) answer.recordCrcs[0]! ^= 1;
        isFirst = false;
      },
    });
    const bytes = patterned(1000);
    const extents = await write(bytes);
    await expectStored(extents, bytes);
    expect(cluster.master.closed).toHaveLength(1);
    expect(cluster.master.closed).not.toContain(extents[0]!.handle);
  });

  test("in the middle of a large object keeps the order of its bytes", async () => {
    await begin();
    let appends = 0;
    scriptAll({
      beforeAppend() {
        if (++appends % 7 === 0) throw new RemoteError("NO_QUORUM", "scripted");
      },
    });
    const bytes = patterned(20 * MIB + 5);
    const extents = await write(bytes);
    expect(extents.length).toBeGreaterThan(2);
    await expectStored(extents, bytes);
  });
});

describe("a replica that drops out", () => {
  test("retires the chunk after the append, whose data stays valid", async () => {
    await begin();
    const drop = once(() => {});
    let dropped = 0;
    scriptAll({
      beforeAppendAnswer(request, answer) {
        if (dropped === 0) {
          dropped = request.handle;
          answer.dropped.push("cs3");
        }
        return drop(request);
      },
    });
    const first = patterned(1000);
    const second = patterned(2000);
    const extents = [await write(first), await write(second)];
    await expectStored(extents[0]!, first);
    await expectStored(extents[1]!, second);
    expect(extents[0]![0]!.handle).toBe(dropped);
    expect(extents[1]![0]!.handle).not.toBe(dropped);
    expect(cluster.master.closed).toEqual([dropped]);
  });
});

describe("a cluster that cannot take data", () => {
  test("with every chunkserver down fails as UNAVAILABLE within the bound", async () => {
    const clock = fastClock(100);
    await begin({ clock });
    await Promise.all(cluster.servers.map((server) => server.kill()));
    const startedAt = clock.monotonic();
    expect(await rejection(write(patterned(5 * MIB)))).toEqual({
      name: "StorageError",
      code: "UNAVAILABLE",
      retryAfterMs: 1_000,
    });
    // The rest is for a machine that is busy with other tests.
    expect(clock.monotonic() - startedAt).toBeLessThan(4 * APPEND_WITHIN_MS);
    await until(() => cluster.writer.inFlightBytes === 0);
  });

  test("with one chunkserver of three left fails as UNAVAILABLE: no quorum", async () => {
    await begin({ clock: fastClock(100) });
    await Promise.all(cluster.servers.slice(1).map((server) => server.kill()));
    expect((await rejection(write(patterned(1000)))).code).toBe("UNAVAILABLE");
    expect(cluster.servers[0]!.appends).toBeGreaterThan(1);
  });

  test("that is full fails as NO_SPACE after a few tries", async () => {
    await begin();
    scriptAll({
      beforeAppend() {
        throw new RemoteError("NO_SPACE", "the disk is full");
      },
    });
    expect(await rejection(write(patterned(1000)))).toEqual({
      name: "StorageError",
      code: "NO_SPACE",
      retryAfterMs: 30_000,
    });
    expect(cluster.servers.reduce((sum, { appends }) => sum + appends, 0)).toBe(3);
  });
});

describe("a master that is away", () => {
  test("at the first write is waited for", async () => {
    await begin({ clock: fastClock(20) });
    cluster.master.isAway = true;
    const bytes = patterned(1000);
    const writing = write(bytes);
    await turn();
    cluster.master.isAway = false;
    await expectStored(await writing, bytes);
  });

  test("for too long fails the write as UNAVAILABLE", async () => {
    await begin({ clock: fastClock(200) });
    cluster.master.isAway = true;
    expect((await rejection(write(patterned(1000)))).code).toBe("UNAVAILABLE");
  });

  test("that never answers fails the write as UNAVAILABLE", async () => {
    await begin({ clock: fastClock(200) });
    cluster.master.openChunks = () => new Promise(() => {});
    expect((await rejection(write(patterned(1000)))).code).toBe("UNAVAILABLE");
    expect(cluster.writer.inFlightBytes).toBe(0);
  });

  test("does not stop writes to chunks that are open", async () => {
    await begin();
    await write(patterned(10));
    cluster.master.isAway = true;
    for (let i = 0; i < 50; i++) {
      const bytes = patterned(10_000 * i, i + 1);
      await expectStored(await write(bytes), bytes);
    }
    cluster.master.isAway = false;
  });
});

describe("memory", () => {
  test("is bounded: no source is read further than the budget while nothing is answered", async () => {
    await begin({ inFlightBytesMax: 4 * MIB });
    const gate = Promise.withResolvers<void>();
    scriptAll({ beforeAppend: () => gate.promise });
    let pulled = 0;
    async function* counted(bytes: Buffer): AsyncGenerator<Uint8Array> {
      for await (const piece of inPieces(bytes, 256 << 10)) {
        pulled += piece.length;
        yield piece;
      }
    }
    const objects = Array.from({ length: 4 }, (_, i) => patterned(9 * MIB, i + 1));
    const writes = objects.map((bytes) => cluster.writer.write(counted(bytes), bytes.length));
    await until(() => cluster.servers.reduce((sum, { appends }) => sum + appends, 0) === 4);
    for (let turns = 0; turns < 50; turns++) await turn();
    expect(cluster.writer.inFlightBytes).toBe(4 * MIB);
    // Each upload may hold the one piece for which it waits.
    expect(pulled).toBeLessThanOrEqual(4 * MIB + 4 * (256 << 10));
    gate.resolve();
    for (const [i, extents] of (await Promise.all(writes)).entries())
      await expectStored(extents, objects[i]!);
    expect(cluster.writer.inFlightBytes).toBe(0);
  });

  test("held by stalled clients does not keep others from writing", async () => {
    await begin({ clock: fastClock(50), inFlightBytesMax: 2 * MIB });
    const release = Promise.withResolvers<void>();
    async function* stalled(): AsyncGenerator<Uint8Array> {
      yield Buffer.from("begun");
      await release.promise;
      yield Buffer.from(", finished");
    }
    const slow = Array.from({ length: 32 }, () => cluster.writer.write(stalled()));
    await until(() => cluster.writer.inFlightBytes === 2 * MIB);
    const bytes = patterned(3 * MIB);
    await expectStored(await write(bytes), bytes);
    release.resolve();
    for (const extents of await Promise.all(slow))
      await expectStored(extents, Buffer.from("begun, finished"));
  });

  test("is given back when a source fails, which fails the write with the source's own error", async () => {
    await begin();
    const failure = new Error("the client went away");
    async function* failing(): AsyncGenerator<Uint8Array> {
      yield* inPieces(patterned(3 * MIB + 10));
      throw failure;
    }
    expect(await cluster.writer.write(failing(), 9 * MIB).catch((error) => error)).toBe(failure);
    await until(() => cluster.writer.inFlightBytes === 0);
    const bytes = patterned(9 * MIB);
    await expectStored(await write(bytes), bytes);
  });

  test("is given back when the cluster fails while the source is stuck, and the source is let go", async () => {
    await begin({ clock: fastClock(200) });
    await Promise.all(cluster.servers.map((server) => server.kill()));
    let returned = false;
    const source: AsyncIterable<Uint8Array> = {
      [Symbol.asyncIterator]: () => ({
        next: stuckAfterFirst(() => ({ done: false, value: patterned(MIB + 5) })),
        async return() {
          returned = true;
          return { done: true, value: undefined };
        },
      }),
    };
    expect((await rejection(cluster.writer.write(source, 9 * MIB))).code).toBe("UNAVAILABLE");
    expect(returned).toBe(true);
    await until(() => cluster.writer.inFlightBytes === 0);
  });
});

/** A `next` that answers once and is stuck ever after. */
function stuckAfterFirst<T>(first: () => T): () => Promise<T> {
  let calls = 0;
  return () => (calls++ === 0 ? Promise.resolve(first()) : new Promise(() => {}));
}

describe("open chunks", () => {
  test("of a large object go to the next one: its records lie behind", async () => {
    await begin();
    const bytes = patterned(9 * MIB);
    const [first] = await write(bytes);
    await until(() => cluster.writer.inFlightBytes === 0);
    await turn();
    const [second] = await write(bytes);
    expect(second!.handle).toBe(first!.handle);
    expect(second!.offset).toBeGreaterThan(first!.offset);
  });

  test("are few for a writer that is used for anything but many large objects at once", async () => {
    await begin();
    for (let i = 0; i < 30; i++) await write(patterned(i % 3 === 0 ? 9 * MIB : 50_000));
    expect(cluster.writer.openChunks).toBeLessThanOrEqual(5);
  });

  test("hold small objects of unknown size together with those of known size", async () => {
    await begin();
    const [known] = await write(patterned(1000));
    const [unknown] = await cluster.writer.write(inPieces(patterned(1000)));
    expect(unknown!.handle).toBe(known!.handle);
  });

  test("are all handed back on close, and later writes are refused", async () => {
    await begin();
    await write(patterned(1000));
    await write(patterned(9 * MIB));
    await cluster.writer.close();
    expect([...cluster.master.closed].sort()).toEqual([...cluster.master.opened].sort());
    expect((await rejection(write(patterned(1)))).code).toBe("UNAVAILABLE");
  });

  test("close ends uploads under way", async () => {
    await begin();
    scriptAll({ beforeAppend: () => new Promise(() => {}) });
    const writing = rejection(write(patterned(9 * MIB)));
    await until(() => cluster.servers.some(({ appends }) => appends > 0));
    await cluster.writer.close();
    expect((await writing).code).toBe("UNAVAILABLE");
    expect(cluster.writer.inFlightBytes).toBe(0);
  });
});
