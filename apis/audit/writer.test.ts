import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { systemClock } from "../../std/clock.ts";
import { silentLog } from "../../std/log.ts";
import { Chain } from "./chain.ts";
import { Seal } from "./encoding.ts";
import { entryOf } from "./entry.ts";
import { AuditError } from "./errors.ts";
import type { AuditService } from "./service.ts";
import { AuditBench, event, eventually, SECRET, SetClock } from "./test-audit.ts";
import { GATHER_MS, GATHERED_MAX, OBJECTS_MAX, QUEUE_MAX, UNAWAITED_MAX, Writer } from "./writer.ts";

// A real PostgreSQL on a loaded machine.
setDefaultTimeout(60_000);

let bench: AuditBench;

beforeAll(async () => {
  bench = await AuditBench.start();
});

afterAll(() => bench.stop());

async function codeOf(work: Promise<unknown>): Promise<string> {
  const error = await work.then(
    () => undefined,
    (thrown) => thrown,
  );
  return error instanceof AuditError ? error.code : `not refused: ${error}`;
}

const all = (audit: AuditService) => audit.entries({}, { limit: 1_000 }).then(({ entries }) => entries);

test("entries of several processes at a time are one chain, each once and in its process's order", async () => {
  const { audit, database } = await bench.open();
  const audits = [audit, (await bench.open(database)).audit, (await bench.open(database)).audit];
  const sequences = await Promise.all(
    audits.flatMap((one, process) =>
      Array.from({ length: 200 }, (_, i) => one.committed(event({ requestId: `p${process}-${i}` }))),
    ),
  );
  expect(new Set(sequences).size).toBe(600);
  expect(await audit.verify()).toMatchObject({ sound: true, checked: 600 });
  const ids = (await all(audit)).reverse().map(({ requestId }) => requestId);
  for (const process of [0, 1, 2]) {
    const own = ids.filter((id) => id.startsWith(`p${process}-`));
    expect(own).toEqual(Array.from({ length: 200 }, (_, i) => `p${process}-${i}`));
  }
});

test("many entries at a time share few transactions", async () => {
  const { audit, sql } = await bench.open();
  await Promise.all(Array.from({ length: 1_500 }, () => audit.committed(event())));
  const [row] = await sql<
    { transactions: string }[]
  >`SELECT count(DISTINCT xmin::text) AS transactions FROM entries`;
  expect(Number(row!.transactions)).toBeLessThanOrEqual(4);
});

test("an entry has the longest texts that are kept, of bytes that do not compress", async () => {
  const { audit } = await bench.open();
  const noise = (length: number) =>
    Array.from({ length }, (_, i) => String.fromCharCode(0x4e00 + ((i * 7919) % 20_000))).join("");
  await audit.committed(event({ resource: noise(1_200), userAgent: noise(256), requestId: noise(128) }));
  const [entry] = await all(audit);
  expect(entry!.resource).toBe(noise(400));
  expect((await audit.verify()).sound).toBe(true);
});

test("while the database is away changes are refused, and nothing disappears silently", async () => {
  const clock = new SetClock();
  const { audit, database } = await bench.open(undefined, clock);
  await audit.committed(event({ requestId: "before" }));
  await bench.takeAway(database);

  const held = audit.reserve();
  expect(await codeOf(audit.committed(event({ requestId: "seen to fail" })))).toBe("audit_unavailable");
  expect(await codeOf(audit.committed(event({ requestId: "refused at once" })))).toBe("audit_unavailable");
  expect(() => audit.reserve()).toThrow("cannot be reached");
  // A change that was made meanwhile: its place is kept, and it waits no longer than it must.
  const made = codeOf(held.committed(event({ requestId: "made" })));
  clock.forward(5_000);
  expect(await made).toBe("audit_unavailable");
  audit.record(event({ outcome: "refused", code: "forbidden", requestId: "refusal" }));

  await bench.giveBack(database);
  const entries = await eventually(async () => {
    clock.forward(5_000);
    return all(audit).then(
      (list) => list.length >= 4 && list,
      () => undefined,
    );
  });
  expect(entries.map(({ requestId }) => requestId)).toEqual(["refusal", "made", "seen to fail", "before"]);
  expect(await audit.committed(event())).toBe(5);
  expect((await audit.verify()).sound).toBe(true);
});

test("refusals beyond the queue are counted, and told when there is room; they leave room for changes", async () => {
  const clock = new SetClock();
  const { sql, audit } = await bench.open();
  const chain = new Chain(sql, new Seal(SECRET));
  const writer = new Writer(chain, clock, silentLog);
  const refused = (n: number) => entryOf(event({ outcome: "refused", requestId: `n${n}` }), clock.now());
  const lock = await sql.reserve();
  await lock`BEGIN`;
  await lock`SELECT 1 FROM chain FOR UPDATE`;
  const from = clock.now();
  for (let n = 0; n < UNAWAITED_MAX + 7; n++) writer.put(refused(n));
  clock.set(from + 1_000);
  writer.put({ ...refused(0), count: 5 });
  const change = writer.reserve().committed(entryOf(event({ requestId: "change" }), clock.now()));
  const places = Array.from({ length: QUEUE_MAX - UNAWAITED_MAX - 1 }, () => writer.reserve());
  expect(() => writer.reserve()).toThrow("queue is full");
  for (const place of places) place.release();
  writer.reserve().release();
  await lock`COMMIT`;
  lock.release();

  expect(await change).toBeGreaterThan(UNAWAITED_MAX);
  const lost = await eventually(async () => {
    const { entries } = await audit.entries({ action: "audit:EntriesLost" }, { limit: 10 });
    return entries.length > 0 && entries;
  });
  const [first, last] = [from, from + 1_000].map((ms) => new Date(ms).toISOString());
  expect(lost).toEqual([
    expect.objectContaining({ count: 12, details: { lost: 12, first: first!, last: last! } }),
  ]);
  expect(await audit.verify()).toMatchObject({ sound: true, checked: UNAWAITED_MAX + 2 });
});

const written = (n: number) => entryOf(event({ action: "s3:PutObject", requestId: `o${n}` }), 1);

/** A writer on a chain of its own, and the entries that came into it. */
function recording(clock = new SetClock()) {
  const chained: string[] = [];
  const faults: Promise<void>[] = [];
  const chain: Pick<Chain, "append"> = {
    async append(entries) {
      await faults[0];
      chained.push(...entries.map(({ action, requestId }) => requestId || action));
      return chained.length;
    },
  };
  return { writer: new Writer(chain, clock, silentLog), clock, chained, faults };
}

/** Puts changes until one has to wait, with a batch on its way to the database; how many, with the one that waits. */
async function fill(writer: Writer): Promise<{ count: number; waiting: Promise<void> }> {
  for (let count = 0; ; ) {
    const waiting = writer.putObjects([written(count++)]);
    if (waiting !== undefined) return { count, waiting };
    if (count === OBJECTS_MAX / 2) await Bun.sleep(0);
  }
}

test("changes to objects gather, unless they are many or something else is to be written", async () => {
  const { writer, clock, chained } = recording();
  for (let n = 0; n < 3; n++) expect(writer.putObjects([written(n)])).toBeUndefined();
  clock.forward(GATHER_MS - 1);
  await Bun.sleep(0);
  expect(chained).toEqual([]);
  clock.forward(1);
  await eventually(async () => chained.length === 3);
  void writer.putObjects([written(3)]);
  await writer.reserve().committed(entryOf(event({ requestId: "change" }), 1));
  expect(chained).toEqual(["o0", "o1", "o2", "change", "o3"]);
  for (let n = 4; n < 4 + GATHERED_MAX; n++) void writer.putObjects([written(n)]);
  await eventually(async () => chained.at(-1) === `o${3 + GATHERED_MAX}`);
  void writer.putObjects([written(0)]);
  await writer.close(1_000);
  expect(chained.at(-1)).toBe("o0");
});

test("who changes objects faster than the log is written waits, and nobody else", async () => {
  const { writer, clock, chained, faults } = recording();
  const slow = Promise.withResolvers<void>();
  faults.push(slow.promise);
  const { count, waiting } = await fill(writer);
  expect(count).toBeGreaterThan(OBJECTS_MAX);
  const change = writer.reserve().committed(entryOf(event({ requestId: "change" }), 1));
  expect(await Promise.race([waiting, Promise.resolve("waiting")])).toBe("waiting");
  slow.resolve();
  await waiting;
  await change;
  expect(chained.indexOf("change")).toBeLessThan(OBJECTS_MAX / 2);
  await eventually(async () => {
    clock.forward(GATHER_MS);
    return writer.waiting === 0;
  });
  expect(chained).toHaveLength(count + 1);
  expect(writer.losses.total).toBe(0);
});

test("while the database is away nobody waits to change objects, and those beyond the queue are counted", async () => {
  const { writer, clock, chained, faults } = recording();
  const broken = Promise.withResolvers<void>();
  faults.push(broken.promise);
  const { count, waiting } = await fill(writer);
  broken.reject(new Error("the connection broke"));
  await waiting;
  expect(writer.putObjects([written(count), written(count + 1)])).toBeUndefined();
  expect(writer.losses.total).toBe(3);
  faults.length = 0;
  await eventually(async () => {
    clock.forward(5_000);
    return writer.waiting === 0;
  });
  // One that waited is not there, the entry about the losses is.
  expect(chained).toHaveLength(count);
  expect(chained).toContain("audit:EntriesLost");
});

test("who waits for room waits 5 s at most", async () => {
  const { writer, clock, faults } = recording();
  faults.push(Promise.withResolvers<void>().promise);
  const { waiting } = await fill(writer);
  clock.forward(4_999);
  expect(await Promise.race([waiting, Promise.resolve("waiting")])).toBe("waiting");
  clock.forward(1);
  await waiting;
  expect(writer.losses.total).toBe(1);
});

test("a database that does not answer counts as away", async () => {
  const clock = new SetClock();
  const { audit, sql } = await bench.open(undefined, clock);
  const lock = await sql.reserve();
  await lock`BEGIN`;
  await lock`SELECT 1 FROM chain FOR UPDATE`;
  const waiting = codeOf(audit.committed(event({ requestId: "slow" })));
  clock.forward(5_000);
  expect(await waiting).toBe("audit_unavailable");
  clock.forward(1);
  expect(() => audit.reserve()).toThrow("cannot be reached");
  await lock`COMMIT`;
  lock.release();
  await eventually(async () => (await all(audit)).length === 1);
  await eventually(() => audit.committed(event()).catch(() => undefined));
});

test("a batch whose answer was lost is not written twice, nor is one that never came", async () => {
  const { sql, audit } = await bench.open();
  const chain = new Chain(sql, new Seal(SECRET));
  const losses = ["answer", "request"];
  const faulty: Pick<Chain, "append"> = {
    async append(entries, earlier, attempt) {
      const loss = losses.shift();
      if (loss === "request") throw new Error("the connection broke");
      const first = await chain.append(entries, earlier, attempt);
      // Another process goes on meanwhile.
      if (loss === "answer") await audit.committed(event({ requestId: "other" }));
      if (loss === "answer") throw new Error("the connection broke");
      return first;
    },
  };
  const writer = new Writer(faulty, systemClock, silentLog);
  const entries = ["a", "b"].map((requestId) => entryOf(event({ requestId }), 1));
  for (const entry of entries) writer.put(entry);
  await eventually(async () => {
    try {
      return await writer.reserve().committed(entryOf(event({ requestId: "c" }), 1));
    } catch {
      return undefined;
    }
  });
  const ids = (await all(audit)).reverse().map(({ requestId }) => requestId);
  expect(ids.filter((id) => id !== "c")).toEqual(["a", "other", "b"]);
  expect((await audit.verify()).sound).toBe(true);
});

test("what waits is written when the log is closed, and then it takes nothing more", async () => {
  const { audit, database } = await bench.open();
  for (let n = 0; n < 3; n++) audit.record(event({ outcome: "refused" }));
  await audit.close();
  expect(await codeOf(audit.committed(event()))).toBe("audit_unavailable");
  const { audit: again } = await bench.open(database);
  expect((await all(again)).map(({ count }) => count)).toEqual([2, 1]);
});
