// From the outbox to the handler while processes and the carrier are killed: nothing lost, nothing twice, each subject in order.
// SKERRY_BUS_EVENTS=100000 bun test std/bus/load.test.ts runs the long one.
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import type { Database } from "../db/database.ts";
import { startTestServer, type TestServer } from "../db/test-server.ts";
import { Outbox } from "./outbox.ts";
import { CARRIERS, type CarrierKind, type Place, Places } from "./testing/carriers.ts";
import { LoadWorker, openService, thing } from "./testing/load-worker.ts";
import { tellMissingNats } from "./testing/nats-server.ts";

const EVENTS = Number(process.env.SKERRY_BUS_EVENTS ?? 5_000);
const SEED = Number(process.env.SKERRY_BUS_SEED ?? 20_261_121);
const THINGS = 100;
const PRODUCERS = 4;
const EVENTS_PER_CHANGE = 10;
const WORKERS = 2;
/** A third of them of the carrier, the others of workers. */
const FAULTS = EVENTS < 10_000 ? 3 : 30;
/** Beside 4 ms an event, a fault costs the restart of a server or the lease of a dead process. */
const TEST_MS_MAX = 60_000 + FAULTS * 15_000 + EVENTS * 4;
const POLL_MS = 20;

tellMissingNats();

for (const { kind, isHere } of CARRIERS) describe.skipIf(!isHere)(kind, () => load(kind));

function load(kind: CarrierKind): void {
  const places = new Places(kind);
  let place: Place;
  let server: TestServer;
  let sql: Database;

  beforeAll(async () => {
    [place, server] = await Promise.all([places.make(), startTestServer()]);
    sql = await openService(server.url);
  }, 120_000);
  afterAll(async () => {
    await sql.end({ timeout: 1 });
    await Promise.all([places.remove(), server.remove()]);
  }, 120_000);

  test(
    `${EVENTS} events and ${FAULTS} kills: none lost, none twice, all in order`,
    async () => {
      const startedAt = performance.now();
      const workers = Array.from({ length: WORKERS }, () => new LoadWorker(kind, place.url, server.url));
      const produced = produce(sql).then(() => performance.now());
      const random = generator(SEED);
      const killed = { carrier: 0, worker: 0 };
      for (let fault = 1; fault <= FAULTS; fault++) {
        await handled(sql, Math.floor((fault * EVENTS) / (FAULTS + 1)));
        if (fault % 3 === 2) {
          await place.kill();
          await place.restart();
          killed.carrier++;
        } else {
          await workers[random(WORKERS)]!.kill();
          killed.worker++;
        }
      }
      await handled(sql, EVENTS);
      const endedAt = performance.now();
      const codes = await Promise.all(workers.map((worker) => worker.stop()));

      const [audit] = await sql<Record<string, number>[]>`
        SELECT (SELECT count(*) FROM effects)::int AS effects,
               (SELECT sum(changes) FROM things)::int AS changes,
               (SELECT count(*) FROM outbox)::int AS unsent,
               (SELECT count(*) FROM repetitions)::int AS repetitions,
               (SELECT count(*) FROM (
                  SELECT change, row_number() OVER (PARTITION BY subject ORDER BY position) AS place
                  FROM effects) AS numbered WHERE change <> place)::int AS misplaced`;
      const published = await (await place.open()).last();
      const seconds = (at: number): string => ((at - startedAt) / 1000).toFixed(1);
      console.log(
        `bus over ${kind}: seed ${SEED}, ${EVENTS} events added in ${seconds(await produced)} s, ` +
          `handled after ${seconds(endedAt)} s; killed ${killed.worker} workers, the carrier ${killed.carrier} times; ` +
          `${published} published, ${audit?.repetitions} repetitions absorbed`,
      );
      expect(audit).toMatchObject({ effects: EVENTS, changes: EVENTS, unsent: 0, misplaced: 0 });
      expect(workers.map((worker) => worker.deaths)).toEqual([0, 0]);
      // One that was started a moment before ends by the signal itself.
      expect(codes.filter((code) => code !== 0 && code !== 143)).toEqual([]);
    },
    TEST_MS_MAX,
  );
}

/** Adds the events: each tells how many changes its thing had with it. */
async function produce(sql: Database): Promise<void> {
  const outbox = new Outbox();
  const random = generator(SEED + 1);
  let left = EVENTS / EVENTS_PER_CHANGE;
  const producer = async (): Promise<void> => {
    while (left-- > 0) {
      const subject = thing(random(THINGS));
      await sql.begin(async (tx) => {
        const [row] = await tx<{ changes: number }[]>`
          INSERT INTO things VALUES (${subject}, ${EVENTS_PER_CHANGE})
          ON CONFLICT (subject) DO UPDATE SET changes = things.changes + ${EVENTS_PER_CHANGE} RETURNING changes`;
        const first = row!.changes - EVENTS_PER_CHANGE + 1;
        const events = Array.from({ length: EVENTS_PER_CHANGE }, (_, index) => ({
          subject,
          data: first + index,
        }));
        await outbox.add(tx, events);
      });
    }
  };
  await Promise.all(Array.from({ length: PRODUCERS }, producer));
}

async function handled(sql: Database, count: number): Promise<void> {
  for (;;) {
    const [row] = await sql<{ handled: number }[]>`SELECT count(*)::int AS handled FROM effects`;
    if (row!.handled >= count) return;
    await Bun.sleep(POLL_MS);
  }
}

function generator(seed: number): (below: number) => number {
  let state = seed >>> 0;
  return (below) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}
