import { describe, expect, test } from "bun:test";
import { InvariantError } from "../../std/assert.ts";
import { ProtocolError, RemoteError } from "../protocol/errors.ts";
import type { StoredRecord } from "./append-runs.ts";
import { Appender, type Route } from "./appender.ts";
import { SegmentBuffers } from "./segments.ts";
import { ManualClock, turn } from "./testing/clocks.ts";
import { environment } from "./testing/test-cluster.ts";

const STORED: StoredRecord = { handle: 1, offset: 64, size: 4, recordCrc: 5 };

/** A route whose appends fail with `errors`, one after another, and then succeed. */
function failing(errors: Error[]) {
  const calls = { appends: 0, retired: 0, cancelled: 0 };
  const chunk = {
    handle: 1,
    primary: { id: "cs1", address: "unix:/nobody" },
    async append() {
      calls.appends++;
      const error = errors.shift();
      if (error) throw error;
      return STORED;
    },
    cancel: () => void calls.cancelled++,
    retire: () => void calls.retired++,
  };
  const route: Route = { chunkFor: async () => chunk };
  return { route, chunk, calls };
}

async function start() {
  const clock = new ManualClock();
  const segment = await new SegmentBuffers(1 << 20).take(4);
  segment.fill(Buffer.from("data"));
  return { clock, segment, appender: new Appender(environment(clock)) };
}

const busy = () => new RemoteError("NO_QUORUM", "scripted");
const timeout = () => new ProtocolError("TIMEOUT", "scripted");

describe("appender", () => {
  test("retries at once, then waits longer from failure to failure, until the bound", async () => {
    const { clock, segment, appender } = await start();
    const { route, calls } = failing(Array.from({ length: 100 }, busy));
    const appending = appender.append(segment, route, () => false).catch((error) => error.code);
    await turn();
    expect(calls.appends).toBe(2);
    await clock.advance(50);
    expect(calls.appends).toBe(3);
    await clock.advance(25_000);
    expect(await appending).toBe("UNAVAILABLE");
    expect(calls.appends).toBeGreaterThan(12);
    expect(calls.appends).toBeLessThanOrEqual(20);
    expect(calls.retired).toBe(calls.appends);
  });

  test("gives up soon where there are too few chunkservers, but rides a restart out", async () => {
    const lacking = () => new RemoteError("NOT_ENOUGH_SERVERS", "scripted");
    const { clock, segment, appender } = await start();
    const appending = appender.append(
      segment,
      failing(Array.from({ length: 100 }, lacking)).route,
      () => false,
    );
    const code = appending.catch((error) => error.code);
    await turn();
    await clock.advance(5_000);
    expect(await code).toBe("UNAVAILABLE");

    const again = await start();
    const { route } = failing(Array.from({ length: 6 }, lacking));
    const stored = again.appender.append(again.segment, route, () => false);
    await turn();
    await again.clock.advance(4_000);
    expect(await stored).toEqual(STORED);
  });

  test("has no more patience left when the chunkservers turn out to be too few late", async () => {
    const { clock, segment, appender } = await start();
    const { route, chunk } = failing([]);
    const slow = Promise.withResolvers<never>();
    chunk.append = () => slow.promise;
    const appending = appender.append(segment, route, () => false).catch((error) => error.code);
    await turn();
    await clock.advance(6_000);
    slow.reject(busy());
    route.chunkFor = () => Promise.reject(new RemoteError("NOT_ENOUGH_SERVERS", "scripted"));
    await turn();
    expect(await appending).toBe("UNAVAILABLE");
  });

  test("tells once of chunks that stall, however many appends wait in them", async () => {
    const clock = new ManualClock();
    let stalls = 0;
    const appender = new Appender(environment(clock), () => void stalls++);
    const buffers = new SegmentBuffers(1 << 20);
    const slow = Promise.withResolvers<never>();
    const appending = Array.from({ length: 8 }, async () => {
      const segment = await buffers.take(4);
      segment.fill(Buffer.from("data"));
      const { route, chunk } = failing([]);
      chunk.append = () => slow.promise;
      return appender.append(segment, route, () => true).catch((error) => error.code);
    });
    await turn();
    await clock.advance(6_000);
    slow.reject(busy());
    expect(new Set(await Promise.all(appending))).toEqual(new Set(["UNAVAILABLE"]));
    expect(stalls).toBe(1);
  });

  test("lets the buffer be used again after answers alone, since a socket may hold it otherwise", async () => {
    for (const [error, reusable] of [
      [busy(), true],
      [timeout(), false],
      [new ProtocolError("DISCONNECTED", "scripted"), false],
    ] as const) {
      const { segment, appender } = await start();
      expect(await appender.append(segment, failing([error]).route, () => false)).toEqual(STORED);
      expect(segment.reusable).toBe(reusable);
    }
  });

  test("makes no other attempt for an object that failed", async () => {
    const { segment, appender } = await start();
    const { route, calls } = failing([busy(), busy()]);
    const code = await appender.append(segment, route, () => true).catch((error) => error.code);
    expect({ code, appends: calls.appends }).toEqual({ code: "UNAVAILABLE", appends: 1 });
  });

  test("does not retry a broken invariant", async () => {
    const { segment, appender } = await start();
    const { route, calls } = failing([new InvariantError("a bug")]);
    expect(await appender.append(segment, route, () => false).catch((error) => error)).toBeInstanceOf(
      InvariantError,
    );
    expect(calls.appends).toBe(1);
  });

  test("gives the room back of a chunk that came after the bound", async () => {
    const { clock, segment, appender } = await start();
    const { chunk, calls } = failing([]);
    const late = Promise.withResolvers<typeof chunk>();
    const appending = appender.append(segment, { chunkFor: () => late.promise }, () => false);
    const code = appending.catch((error) => error.code);
    await clock.advance(25_000);
    expect(await code).toBe("UNAVAILABLE");
    late.resolve(chunk);
    await turn();
    expect(calls).toEqual({ appends: 0, retired: 0, cancelled: 1 });
  });
});
