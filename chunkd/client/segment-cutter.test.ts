import { describe, expect, test } from "bun:test";
import { systemClock } from "../../std/clock.ts";
import { SegmentCutter } from "./segment-cutter.ts";
import { SegmentBuffers } from "./segments.ts";
import { ManualClock, turn } from "./testing/clocks.ts";
import { inPieces, patterned } from "./testing/test-cluster.ts";

const MIB = 1 << 20;

async function cut(
  source: AsyncIterable<Uint8Array>,
  sizeHint?: number,
  buffers = new SegmentBuffers(8 * MIB),
) {
  const cutter = new SegmentCutter(source, buffers, systemClock, sizeHint);
  const sizes: number[] = [];
  const pieces: Buffer[] = [];
  while (await cutter.next()) {
    const segment = cutter.take();
    sizes.push(segment.payload.length);
    pieces.push(Buffer.from(segment.payload));
    segment.release();
  }
  return { sizes, bytes: Buffer.concat(pieces), used: buffers.used };
}

/** A source whose pieces a test hands in one by one. */
function scriptedSource() {
  const pieces: ReturnType<typeof Promise.withResolvers<Uint8Array | null>>[] = [];
  const piece = (i: number) => (pieces[i] ??= Promise.withResolvers<Uint8Array | null>());
  let pulled = 0;
  let returned = false;
  const source: AsyncIterable<Uint8Array> = {
    [Symbol.asyncIterator]: () => ({
      async next() {
        const value = await piece(pulled++).promise;
        return value === null ? { done: true, value: undefined } : { done: false, value };
      },
      async return() {
        returned = true;
        return { done: true, value: undefined };
      },
    }),
  };
  return {
    source,
    give: (i: number, bytes: Uint8Array | null) => piece(i).resolve(bytes),
    fail: (i: number, error: Error) => piece(i).reject(error),
    get pulled() {
      return pulled;
    },
    get returned() {
      return returned;
    },
  };
}

describe("segment cutter", () => {
  test("cuts full segments and a last one, whatever the pieces", async () => {
    const bytes = patterned(3 * MIB + 17);
    for (const pieceSize of [1000, 65_536, MIB, MIB + 1, 4 * MIB]) {
      const { sizes, bytes: joined, used } = await cut(inPieces(bytes, pieceSize), bytes.length);
      expect(sizes).toEqual([MIB, MIB, MIB, 17]);
      expect(joined.equals(bytes)).toBe(true);
      expect(used).toBe(0);
    }
  });

  test("gives nothing for a source without bytes, and skips empty pieces", async () => {
    async function* empties() {
      yield new Uint8Array(0);
      yield new Uint8Array(0);
    }
    expect((await cut(empties())).sizes).toEqual([]);
    expect((await cut(inPieces(Buffer.alloc(0)), 100)).sizes).toEqual([]);
  });

  test("keeps every byte when the size hint is wrong", async () => {
    const bytes = patterned(2 * MIB + 5);
    for (const hint of [1, MIB, 2 * MIB + 4, 100 * MIB]) {
      const { bytes: joined } = await cut(inPieces(bytes), hint);
      expect(joined.equals(bytes)).toBe(true);
    }
  });

  test("holds no budget while it waits for the first byte", async () => {
    const buffers = new SegmentBuffers(MIB);
    const script = scriptedSource();
    const cutter = new SegmentCutter(script.source, buffers, systemClock, undefined);
    const next = cutter.next();
    await turn();
    expect({ pulled: script.pulled, used: buffers.used }).toEqual({ pulled: 1, used: 0 });
    script.give(0, Buffer.from("x"));
    script.give(1, null);
    expect(await next).toBe(true);
    expect(cutter.ended).toBe(true);
    cutter.take().release();
  });

  test("rejects with the source's own error and frees the segment", async () => {
    const buffers = new SegmentBuffers(MIB);
    const script = scriptedSource();
    const cutter = new SegmentCutter(script.source, buffers, systemClock, undefined);
    const failure = new Error("client went away");
    const next = cutter.next();
    script.give(0, Buffer.from("some bytes"));
    script.fail(1, failure);
    expect(await next.catch((error) => error)).toBe(failure);
    expect(buffers.used).toBe(0);
  });

  test("stop frees the segment of a source that is stuck, and lets the source go", async () => {
    const buffers = new SegmentBuffers(MIB);
    const script = scriptedSource();
    const cutter = new SegmentCutter(script.source, buffers, systemClock, undefined);
    const next = cutter.next();
    script.give(0, Buffer.from("some bytes"));
    await turn();
    expect(buffers.used).toBe(64 << 10);
    cutter.stop();
    expect(buffers.used).toBe(0);
    expect(script.returned).toBe(true);
    script.give(1, Buffer.from("late"));
    expect(await next).toBe(false);
    expect(buffers.used).toBe(0);
  });

  test("stop while waiting for the budget gives the grant back", async () => {
    const buffers = new SegmentBuffers(MIB);
    const holder = await buffers.take(MIB);
    const script = scriptedSource();
    const cutter = new SegmentCutter(script.source, buffers, systemClock, undefined);
    script.give(0, Buffer.from("some bytes"));
    const next = cutter.next();
    await turn();
    cutter.stop();
    holder.release();
    expect(await next).toBe(false);
    expect(buffers.used).toBe(0);
  });

  test("a stalled source gives up its segment when others wait for memory, and only then", async () => {
    const clock = new ManualClock();
    const buffers = new SegmentBuffers(MIB);
    const script = scriptedSource();
    const cutter = new SegmentCutter(script.source, buffers, clock, undefined);
    let isReady = false;
    const next = cutter.next().then((hasMore) => {
      isReady = hasMore;
    });
    script.give(0, Buffer.from("some bytes"));
    await turn();
    await clock.advance(60_000);
    expect(isReady).toBe(false);

    const other = buffers.take(MIB);
    await clock.advance(3_000);
    await next;
    expect(isReady).toBe(true);
    const segment = cutter.take();
    expect(segment.payload.toString()).toBe("some bytes");
    segment.release();
    (await other).release();

    script.give(1, Buffer.from(" and the rest"));
    script.give(2, null);
    expect(await cutter.next()).toBe(true);
    expect(cutter.take().payload.toString()).toBe(" and the rest");
  });

  test("a source that dawdles holds little, and others get their memory at once", async () => {
    const clock = new ManualClock();
    const buffers = new SegmentBuffers(8 * MIB);
    const cutters = Array.from({ length: 100 }, () => {
      const script = scriptedSource();
      script.give(0, Buffer.from("x"));
      return new SegmentCutter(script.source, buffers, clock, 8 * MIB);
    });
    for (const cutter of cutters) void cutter.next();
    await turn();
    expect(buffers.used).toBe(100 * (64 << 10));
    const other = await buffers.take(200_000);
    other.release();
    for (const cutter of cutters) cutter.stop();
    expect(buffers.used).toBe(0);
  });

  test("a segment grows with what arrives, and is sent short where memory does not last", async () => {
    const buffers = new SegmentBuffers(MIB + (300 << 10));
    const script = scriptedSource();
    const bytes = patterned(MIB);
    const cutter = new SegmentCutter(script.source, buffers, new ManualClock(), undefined);
    const next = cutter.next();
    const charges: number[] = [];
    for (const [i, end] of [10_000, 65_536, 65_537, 300_000].entries()) {
      script.give(i, bytes.subarray([0, 10_000, 65_536, 65_537][i], end));
      await turn();
      charges.push(buffers.used >> 10);
    }
    expect(charges).toEqual([64, 64, 256, 1024]);
    const other = new SegmentCutter(inPieces(bytes, 40_000), buffers, new ManualClock(), undefined);
    expect(await other.next()).toBe(true);
    const short = other.take();
    expect(short.payload.equals(bytes.subarray(0, 256 << 10))).toBe(true);
    short.release();
    script.give(4, bytes.subarray(300_000));
    expect(await next).toBe(true);
    const whole = cutter.take();
    expect(whole.payload.equals(bytes)).toBe(true);
    whole.release();
    other.stop();
    expect(buffers.used).toBe(0);
  });
});
