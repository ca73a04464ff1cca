import { afterEach, describe, expect, test } from "bun:test";
import { RemoteError } from "../protocol/errors.ts";
import { ChunkStock } from "./chunk-stock.ts";
import { ExclusiveChunks } from "./exclusive-chunks.ts";
import { LeaseBook } from "./lease-book.ts";
import type { OpenChunk } from "./open-chunk.ts";
import { ConnectionPool } from "./pool.ts";
import { BUSY_APPENDS, SharedChunks } from "./shared-chunks.ts";
import { ManualClock, turn } from "./testing/clocks.ts";
import { MemoryMaster } from "./testing/memory-master.ts";
import { environment, SECRETS } from "./testing/test-cluster.ts";

const MIB = 1 << 20;
const SERVERS = ["cs1", "cs2", "cs3"].map((id) => ({ id, address: `unix:/nobody/${id}`, incarnation: 1 }));

function start(uncommitted?: () => ReadonlySet<number>) {
  const clock = new ManualClock();
  const env = environment(clock);
  const master = new MemoryMaster(clock, SECRETS, SERVERS);
  const pool = new ConnectionPool(env, SECRETS, "writer");
  const book = new LeaseBook(env, master, pool, uncommitted);
  books.push(book);
  const stock = new ChunkStock(book, pool);
  return { clock, master, book, stock, pool };
}

const books: LeaseBook[] = [];
afterEach(async () => {
  for (const book of books.splice(0)) await book.close();
});

describe("leases", () => {
  test("of chunks in use are renewed before they end", async () => {
    const { clock, master, book } = start();
    const [chunk] = await book.open(1);
    for (let minutes = 0; minutes < 10; minutes++) {
      chunk!.usedAt = clock.monotonic();
      await clock.advance(50_000);
      expect(chunk!.takes(MIB)).toBe(true);
    }
    expect(master.renewed.length).toBeGreaterThanOrEqual(8);
    expect(chunk!.lease.expiresAt).toBeGreaterThan(clock.now());
    expect(master.closed).toEqual([]);
  });

  test("go back when nobody appended for a minute", async () => {
    const { clock, master, book } = start();
    const [chunk] = await book.open(1);
    await clock.advance(66_000);
    expect(chunk!.takes(1)).toBe(false);
    expect(master.closed).toEqual([chunk!.handle]);
    expect(book.size).toBe(0);
  });

  test("stay usable while the master is away, until shortly before they end", async () => {
    const { clock, master, book } = start();
    const [chunk] = await book.open(1);
    master.isAway = true;
    await clock.advance(57_000);
    expect(chunk!.takes(1)).toBe(true);
    await clock.advance(1_500);
    expect(chunk!.takes(1)).toBe(false);
  });

  test("that the master no longer knows are given up one by one", async () => {
    const { clock, master, book } = start();
    const [lost, kept] = await book.open(2);
    const renew = master.renewLeases.bind(master);
    master.renewLeases = (request) => {
      if (!request.handles.includes(lost!.handle)) return renew(request);
      return Promise.reject(new RemoteError("LEASE_EXPIRED", "no such lease"));
    };
    await clock.advance(40_000);
    expect(lost!.retired).toBe(true);
    expect(kept!.retired).toBe(false);
    expect(master.renewed).toContain(kept!.handle);
  });

  test("that come back with another version are given up", async () => {
    const { clock, master, book } = start();
    const [chunk] = await book.open(1);
    const renew = master.renewLeases.bind(master);
    master.renewLeases = async (request) => {
      const { leases } = await renew(request);
      return { leases: leases.map((lease) => ({ ...lease, version: lease.version + 1 })) };
    };
    await clock.advance(40_000);
    expect(chunk!.retired).toBe(true);
  });

  test("all go back on close, in one call", async () => {
    const { master, book } = start();
    const opened = await book.open(3);
    let calls = 0;
    const close = master.closeChunks.bind(master);
    master.closeChunks = (request) => {
      calls++;
      return close(request);
    };
    await book.close();
    expect(master.closed).toEqual(opened.map(({ handle }) => handle));
    expect(calls).toBe(1);
  });
});

describe("chunks with data that may yet be committed", () => {
  test("are told every quarter of a minute, before their leases are due, and when they have none any more", async () => {
    const handles = new Set<number>();
    const { clock, master, book } = start(() => handles);
    const [chunk] = await book.open(1);
    handles.add(chunk!.handle);
    await clock.advance(14_000);
    expect(master.uncommitted.map(({ handles }) => handles)).toEqual([[chunk!.handle]]);
    expect(master.renewed).toEqual([]);
    chunk!.retire();
    await clock.advance(1);
    expect(book.size).toBe(0);
    await clock.advance(60_000);
    const told = master.uncommitted.map(({ at }) => at);
    expect(told.length).toBeGreaterThanOrEqual(4);
    // The master believes it for a minute.
    for (const [i, at] of told.slice(1).entries()) expect(at - told[i]!).toBeLessThanOrEqual(20_000);
    expect(master.uncommitted.every(({ handles: [handle] }) => handle === chunk!.handle)).toBe(true);
  });

  test("are told no more once they are committed, and again as soon as the master is back", async () => {
    const handles = new Set<number>();
    const { clock, master, book } = start(() => handles);
    const [chunk] = await book.open(1);
    handles.add(chunk!.handle);
    master.isAway = true;
    await clock.advance(20_000);
    expect(master.uncommitted).toEqual([]);
    master.isAway = false;
    await clock.advance(5_000);
    expect(master.uncommitted).toHaveLength(1);
    handles.clear();
    await clock.advance(40_000);
    expect(master.uncommitted).toHaveLength(1);
  });
});

describe("the stock of fresh chunks", () => {
  test("is refilled ahead of need", async () => {
    const { master, stock } = start();
    await stock.take();
    await turn();
    const before = master.opened.length;
    master.isAway = true;
    const [a, b] = await Promise.all([stock.take(), stock.take()]);
    expect(a.handle).not.toBe(b.handle);
    expect(master.opened.length).toBe(before);
  });

  test("is asked for once by many that wait together", async () => {
    const { master, stock } = start();
    let calls = 0;
    const open = master.openChunks.bind(master);
    master.openChunks = (request) => {
      calls++;
      return open(request);
    };
    const taken = await Promise.all(Array.from({ length: 20 }, () => stock.take()));
    expect(new Set(taken.map(({ handle }) => handle)).size).toBe(20);
    expect(calls).toBeLessThanOrEqual(12);
  });

  test("offers another primary than those taken", async () => {
    const { stock } = start();
    const first = await stock.take();
    const second = await stock.take([first.primary.address]);
    const third = await stock.take([first.primary.address, second.primary.address]);
    expect(new Set([first, second, third].map(({ primary }) => primary.id)).size).toBe(3);
  });

  test("prefers primaries that answer, and hands chunks of the others back", async () => {
    const { master, stock, pool } = start();
    const suspect = SERVERS[0]!;
    await pool.call(suspect.address, 20, null).catch(() => {});
    expect(pool.isSuspect(suspect.address)).toBe(true);
    const taken = await Promise.all(Array.from({ length: 12 }, () => stock.take()));
    expect(taken.map(({ primary }) => primary.id)).not.toContain(suspect.id);
    for (const { address } of SERVERS) await pool.call(address, 20, null).catch(() => {});
    expect((await stock.take()).takes(MIB)).toBe(true);
    expect(master.closed.length).toBeGreaterThan(0);
  });

  test("hands the master's refusal to whoever waits", async () => {
    const { master, stock } = start();
    master.openChunks = () => Promise.reject(new RemoteError("NOT_ENOUGH_SERVERS", "1 is alive"));
    expect(await stock.take().catch((error) => error.code)).toBe("NOT_ENOUGH_SERVERS");
  });
});

/** Asks until the answer is none of `known`. */
async function otherThan(known: OpenChunk[], ask: () => Promise<OpenChunk>): Promise<OpenChunk> {
  for (;;) {
    const other = await ask();
    if (!known.includes(other)) return other;
  }
}

describe("shared chunks", () => {
  test("take a second one only when the first is busy, with another primary", async () => {
    const { stock } = start();
    const shared = new SharedChunks(stock);
    const first = await shared.chunkFor(100);
    for (let busy = 1; busy <= BUSY_APPENDS; busy++) expect(await shared.chunkFor(100)).toBe(first);
    await turn();
    const second = await shared.chunkFor(100);
    expect(second).not.toBe(first);
    expect(second.primary.id).not.toBe(first.primary.id);
    while (first.inFlight > 0) first.cancel(100);
    expect(await shared.chunkFor(100)).toBe(first);
  });

  test("gather small records in the first that has time, and share large ones out", async () => {
    const { stock } = start();
    const shared = new SharedChunks(stock);
    const first = await shared.chunkFor(100);
    const second = await otherThan([first], () => shared.chunkFor(100));
    while (first.inFlight > BUSY_APPENDS / 2) first.cancel(100);
    while (second.inFlight > 0) second.cancel(100);
    expect(await shared.chunkFor(100)).toBe(first);
    while (first.inFlight > 0) first.cancel(100);
    expect(await shared.chunkFor(MIB)).toBe(first);
    expect(await shared.chunkFor(MIB)).toBe(second);
    first.cancel(MIB);
    expect(await shared.chunkFor(100)).toBe(first);
  });

  test("go on in a fresh chunk when a record does not fit, and hand the full one back", async () => {
    const { master, stock } = start();
    const shared = new SharedChunks(stock);
    const first = await shared.chunkFor(MIB);
    const second = await otherThan([first], () => shared.chunkFor(MIB));
    const third = await otherThan([first, second], () => shared.chunkFor(MIB));
    const full = first.takes(MIB) ? second : first;
    expect([full.takes(MIB), third.takes(MIB), full.inFlight]).toEqual([false, true, 63]);
    expect(master.closed).toEqual([]);
    while (full.inFlight > 0) full.cancel(MIB);
    await turn();
    expect(master.closed).toEqual([full.handle]);
  });
});

test("leases that arrive when the book is closed go back at once", async () => {
  const { master, book } = start();
  const opening = book.open(2);
  const closing = book.close();
  const chunks = await opening;
  await closing;
  await turn();
  expect(chunks.map((chunk) => chunk.takes(1))).toEqual([false, false]);
  expect(master.closed).toEqual(master.opened);
  expect(book.size).toBe(0);
});

describe("exclusive chunks", () => {
  test("lend a chunk that was given back before they take a fresh one", async () => {
    const { stock } = start();
    const chunks = new ExclusiveChunks(stock);
    const run = chunks.lend()!;
    const chunk = await run.chunkFor(MIB);
    const other = chunks.lend()!;
    expect(await other.chunkFor(MIB)).not.toBe(chunk);
    run.release();
    expect(await chunks.lend()!.chunkFor(MIB)).toBe(chunk);
  });

  test("are lent to 32 objects at once", async () => {
    const { stock } = start();
    const chunks = new ExclusiveChunks(stock);
    const runs = Array.from({ length: 32 }, () => chunks.lend());
    expect(runs.every((run) => run !== undefined)).toBe(true);
    expect(chunks.lend()).toBeUndefined();
    runs[0]!.release();
    expect(chunks.lend()).toBeDefined();
  });

  test("that are full go back to the master", async () => {
    const { master, stock } = start();
    const run = new ExclusiveChunks(stock).lend()!;
    const first = await run.chunkFor(MIB);
    for (let i = 1; i < 63; i++) expect(await run.chunkFor(MIB)).toBe(first);
    expect(await run.chunkFor(MIB)).not.toBe(first);
    while (first.inFlight > 0) first.cancel(MIB);
    await turn();
    expect(master.closed).toEqual([first.handle]);
  });
});
