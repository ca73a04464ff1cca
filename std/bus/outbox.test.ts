import { afterAll, beforeAll, beforeEach, expect, setDefaultTimeout, test } from "bun:test";
import type { TransactionSql } from "postgres";
import { systemClock } from "../clock.ts";
import { type Database, openDatabase } from "../db/database.ts";
import { migrate } from "../db/migrate.ts";
import { startTestServer, type TestServer } from "../db/test-server.ts";
import { silentLog } from "../log.ts";
import type { Carrier, Message } from "./carrier.ts";
import { BUS_MIGRATION, deleteSent, handleOnce, Outbox, pruneHandled, readOutbox } from "./outbox.ts";
import { OutboxRelay } from "./relay.ts";
import { until } from "./testing/until.ts";

// A real PostgreSQL on a loaded machine.
setDefaultTimeout(60_000);

let server: TestServer;
let sql: Database;
let databases = 0;
const opened: Database[] = [];
const outbox = new Outbox();

beforeAll(async () => {
  server = await startTestServer();
});
beforeEach(async () => {
  sql = await open(`service${++databases}`);
  await migrate(sql, [BUS_MIGRATION], silentLog);
});
afterAll(async () => {
  for (const pool of opened) await pool.end({ timeout: 1 });
  await server.remove();
});

async function open(name: string): Promise<Database> {
  const pool = await openDatabase(server.url, name, { log: silentLog });
  opened.push(pool);
  return pool;
}

/** Takes what is published, and refuses it as long as it is told to. */
class Sink {
  readonly published: Message[] = [];
  refusals = 0;
  /** Done before the first are taken. */
  first: (() => Promise<unknown>) | undefined;

  async publish(messages: readonly Message[]): Promise<void> {
    await this.first?.();
    if (this.refusals > 0) {
      this.refusals--;
      throw new Error("away");
    }
    this.published.push(...messages);
  }

  get data(): string[] {
    return this.published.map((message) => message.event.json);
  }
}

function relayOf(pool: Database, sink: Sink): OutboxRelay {
  return new OutboxRelay(pool, sink as unknown as Carrier, systemClock, silentLog);
}

/** A transaction that stays open until it is told to end. */
function openTransaction(work: (tx: TransactionSql) => Promise<unknown>): {
  worked: Promise<void>;
  commit(): Promise<unknown>;
} {
  const [worked, ending] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  const ended = sql.begin(async (tx) => {
    await work(tx).then(() => worked.resolve(), worked.reject);
    await ending.promise;
  });
  return {
    worked: worked.promise,
    commit: () => {
      ending.resolve();
      return ended;
    },
  };
}

test("events are there when their transaction committed, and only then", async () => {
  const failed = sql.begin(async (tx) => {
    await outbox.add(tx, { subject: "a.b", data: 1 });
    throw new Error("no");
  });
  await expect(failed).rejects.toThrow("no");
  const ids = await sql.begin((tx) =>
    outbox.add(tx, [
      { subject: "a.b", data: { text: "é\0" } },
      { subject: "a.c", data: null },
    ]),
  );
  const rows = await readOutbox(sql);
  expect(rows.map(({ id, subject, json }) => [id, subject, JSON.parse(json)])).toEqual([
    [ids[0], "a.b", { text: "é\0" }],
    [ids[1], "a.c", null],
  ]);
});

test("a bad event refuses its transaction", async () => {
  const add = (subject: string) => sql.begin((tx) => outbox.add(tx, { subject, data: 1 }));
  await expect(add("a.>")).rejects.toMatchObject({ code: "bad_subject" });
  expect(await readOutbox(sql)).toEqual([]);
});

test("within a subject positions are the order of commits; other subjects do not wait", async () => {
  const first = openTransaction((tx) => outbox.add(tx, { subject: "a", data: "first" }));
  await first.worked;
  const second = openTransaction((tx) => outbox.add(tx, { subject: "a", data: "second" }));
  const other = openTransaction((tx) => outbox.add(tx, { subject: "b", data: "other" }));
  await other.worked;
  await other.commit();
  expect((await readOutbox(sql)).map((row) => row.json)).toEqual(['"other"']);
  await until(async () => {
    const waiting = await sql`SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND NOT granted`;
    return waiting.length === 1;
  });
  await first.commit();
  await second.worked;
  await second.commit();
  const rows = (await readOutbox(sql)).filter((row) => row.subject === "a");
  expect(rows.map((row) => row.json)).toEqual(['"first"', '"second"']);
});

test("a row of a lower position that commits while later ones are sent is sent too", async () => {
  const late = openTransaction((tx) => outbox.add(tx, { subject: "a", data: "late" }));
  await late.worked;
  await sql.begin((tx) => outbox.add(tx, { subject: "b", data: "early" }));
  const sink = new Sink();
  sink.first = late.commit;
  const relay = relayOf(sql, sink);
  await relay.start();
  await until(() => sink.published.length === 2);
  expect(sink.data).toEqual(['"early"', '"late"']);
  await until(async () => (await readOutbox(sql)).length === 0);
  await relay.stop();
});

test("rows stay until the carrier has them, and are told of at once", async () => {
  const sink = new Sink();
  sink.refusals = 2;
  const relay = relayOf(sql, sink);
  await relay.start();
  await sql.begin((tx) => outbox.add(tx, { subject: "a", data: 1 }));
  await until(() => sink.refusals === 1);
  expect(await readOutbox(sql)).toHaveLength(1);
  await until(() => sink.published.length === 1);
  // Well below the poll's 2 s.
  const started = performance.now();
  await sql.begin((tx) => outbox.add(tx, { subject: "a", data: 2 }));
  await until(() => sink.published.length === 2);
  expect(performance.now() - started).toBeLessThan(1_500);
  await relay.stop();
});

test("one relay works at a time, and another when it ends", async () => {
  const pools = [await open(`service${databases}`), await open(`service${databases}`)];
  const sinks = [new Sink(), new Sink()];
  const relays = pools.map((pool, index) => relayOf(pool, sinks[index]!));
  await relays[0]!.start();
  await sql.begin((tx) => outbox.add(tx, { subject: "a", data: 1 }));
  await until(() => sinks[0]!.published.length === 1);
  await relays[1]!.start();
  for (let number = 2; number <= 20; number++) {
    await sql.begin((tx) => outbox.add(tx, { subject: "a", data: number }));
  }
  await until(() => sinks[0]!.published.length === 20);
  expect(sinks[1]!.published).toEqual([]);
  // Its connections end, as those of a killed process do.
  await sql`SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND granted
            AND database = (SELECT oid FROM pg_database WHERE datname = current_database())`;
  await relays[0]!.stop();
  await sql.begin((tx) => outbox.add(tx, { subject: "a", data: 21 }));
  await until(() => sinks[1]!.published.length === 1);
  await relays[1]!.stop();
});

test("more than a batch goes in order, however large", async () => {
  for (let batch = 0; batch < 3; batch++) {
    const large = "x".repeat(20_000);
    const events = Array.from({ length: 400 }, (_, index) => ({
      subject: "a",
      data: [batch * 400 + index, large],
    }));
    await sql.begin((tx) => outbox.add(tx, events));
  }
  const sink = new Sink();
  const relay = relayOf(sql, sink);
  await relay.start();
  await until(() => sink.published.length === 1_200);
  const numbers = sink.published.map((message) => (JSON.parse(message.event.json) as [number])[0]);
  expect(numbers).toEqual(Array.from({ length: 1_200 }, (_, index) => index));
  await relay.stop();
});

test("an outbox that is full refuses", async () => {
  await sql.begin((tx) => outbox.add(tx, { subject: "a", data: 1 }));
  await sql`ALTER TABLE outbox ALTER position RESTART WITH 1000001`;
  await sql.begin((tx) => outbox.add(tx, { subject: "a", data: 2 }));
  const refused = sql.begin((tx) => outbox.add(tx, { subject: "a", data: 3 }));
  await expect(refused).rejects.toMatchObject({ code: "outbox_full" });
  await deleteSent(sql, (await readOutbox(sql)).slice(0, 1));
  await sql.begin((tx) => outbox.add(tx, { subject: "a", data: 4 }));
});

test("an event is handled once by each consumer, unless its transaction failed", async () => {
  const [id] = await sql.begin((tx) => outbox.add(tx, { subject: "a", data: 1 }));
  const handle = (consumer: string) => sql.begin((tx) => handleOnce(tx, consumer, id!));
  const failed = sql.begin(async (tx) => {
    expect(await handleOnce(tx, "c", id!)).toBe(true);
    throw new Error("no");
  });
  await expect(failed).rejects.toThrow("no");
  expect((await Promise.all([handle("c"), handle("c"), handle("c")])).sort()).toEqual([false, false, true]);
  expect(await handle("d")).toBe(true);
  expect(await handle("c")).toBe(false);
});

test("handled events are forgotten after two weeks", async () => {
  const id = Bun.randomUUIDv7();
  await sql.begin((tx) => handleOnce(tx, "old", id));
  await sql`UPDATE handled_events SET handled = now() - interval '15 days'`;
  await sql.begin((tx) => handleOnce(tx, "new", id));
  await pruneHandled(sql);
  expect([...(await sql`SELECT consumer FROM handled_events`)]).toEqual([{ consumer: "new" }]);
});
