// What every carrier does, on real servers.

import { afterAll, afterEach, describe, expect, setDefaultTimeout, test } from "bun:test";
import { jetstream } from "@nats-io/jetstream";
import { systemClock } from "../clock.ts";
import type { Batch, Carrier, DeadLetter, FollowOptions, Message } from "./carrier.ts";
import { DATA_BYTES_MAX, type Json, parsedEvent, storedEvent } from "./event.ts";
import { connectNats, EVENT_SUBJECT } from "./nats-streams.ts";
import { CARRIERS, type CarrierKind, type Place, Places } from "./testing/carriers.ts";
import { NATS_IS_HERE, tellMissingNats } from "./testing/nats-server.ts";
import { pause } from "./waiting.ts";

// Real servers on a loaded machine.
setDefaultTimeout(60_000);
tellMissingNats();

function message(subject: string, data: Json, consumer?: string): Message {
  const event = storedEvent({ subject, data }, Date.now());
  return { messageId: event.id, event, ...(consumer === undefined ? {} : { consumer }) };
}

const never = new AbortController().signal;

/** The batches of `carrier` until `enough` events are there. */
async function follow(
  carrier: Carrier,
  enough: number,
  options: Partial<FollowOptions> = {},
): Promise<{ data: Json[]; subjects: string[]; sequences: number[]; batches: Batch[] }> {
  const batches: Batch[] = [];
  const stop = new AbortController();
  const all = { patterns: [">"], after: 0, signal: stop.signal, ...options };
  let found = 0;
  for await (const batch of carrier.follow(all)) {
    batches.push(batch);
    found += batch.events.length;
    if (found >= enough) break;
  }
  stop.abort();
  const events = batches.flatMap((batch) => batch.events);
  return {
    data: events.map(({ event }) => parsedEvent(event).data),
    subjects: events.map(({ event }) => event.subject),
    sequences: events.map(({ sequence }) => sequence),
    batches,
  };
}

function letter(consumer: string, data: Json, lastAt = 5): DeadLetter {
  const event = parsedEvent(storedEvent({ subject: "a.b", data }, Date.now()));
  return { consumer, event, error: "Error: no", attempts: 3, firstAt: 4, lastAt };
}

for (const { kind, isHere } of CARRIERS) describe.skipIf(!isHere)(kind, () => contract(kind));

function contract(kind: CarrierKind): void {
  const places = new Places(kind);
  afterEach(() => places.clear());
  afterAll(() => places.remove());
  const begin = (): Promise<Place> => places.make();

  test("events come back whole, in order, and once however often they are published", async () => {
    const carrier = await (await begin()).open();
    const odd = { text: 'é\u0000\n"\u2028', big: 2 ** 53, nested: [null, true, { a: 1.5 }] };
    const messages = [message("a.b", odd), message("a.b", 2), message("a.b", "three")];
    expect(await carrier.last()).toBe(0);
    await carrier.publish(messages.slice(0, 2));
    await carrier.publish(messages);
    await carrier.publish(messages);
    const { data, sequences, batches } = await follow(carrier, 3);
    expect(data).toEqual([odd, 2, "three"]);
    expect(sequences).toEqual([1, 2, 3]);
    expect(await carrier.last()).toBe(3);
    expect(batches.flatMap((batch) => batch.events)[0]?.event).toEqual(messages[0]!.event);
  });

  test("an event of the largest size is carried", async () => {
    const carrier = await (await begin()).open();
    const large = "x".repeat(DATA_BYTES_MAX - 2);
    await carrier.publish(Array.from({ length: 20 }, () => message("a", large)));
    const { data, batches } = await follow(carrier, 20);
    expect(data.every((one) => one === large)).toBe(true);
    expect(batches.length).toBeGreaterThan(1);
  });

  test("patterns choose, and what they leave out is scanned past", async () => {
    const carrier = await (await begin()).open();
    const subjects = ["a.x.c", "a.y.c", "a.x.d", "a.x", "b.x.c", "a.x.c.e"];
    for (const subject of subjects) await carrier.publish([message(subject, 0)]);
    expect((await follow(carrier, 2, { patterns: ["a.*.c"] })).subjects).toEqual(["a.x.c", "a.y.c"]);
    expect((await follow(carrier, 4, { patterns: ["a.x.>", "b.>"] })).subjects).toEqual([
      "a.x.c",
      "a.x.d",
      "b.x.c",
      "a.x.c.e",
    ]);
    expect((await follow(carrier, 1, { patterns: ["a.x"] })).subjects).toEqual(["a.x"]);
    expect((await follow(carrier, 1, { patterns: ["b.x.c", "a.y.c"], after: 2 })).sequences).toEqual([5]);
  });

  test("a follower waits for events, and those for one consumer reach no other", async () => {
    const carrier = await (await begin()).open();
    const [mine, others] = [
      follow(carrier, 2, { consumer: "mine" }),
      follow(carrier, 1, { consumer: "other" }),
    ];
    await carrier.publish([message("a", "replayed", "mine"), message("a", "new")]);
    expect((await mine).data).toEqual(["replayed", "new"]);
    expect((await others).data).toEqual(["new"]);
    expect((await follow(carrier, 1)).data).toEqual(["new"]);
  });

  test("a follower ends with its signal", async () => {
    const carrier = await (await begin()).open();
    const stop = new AbortController();
    const ended = Array.fromAsync(carrier.follow({ patterns: [">"], after: 0, signal: stop.signal }));
    stop.abort();
    expect((await ended).flatMap((batch) => batch.events)).toEqual([]);
  });

  test("of many who publish at once nothing is skipped, and each subject keeps its order", async () => {
    const place = await begin();
    const carriers = await Promise.all([place.open(), place.open(), place.open()]);
    const reader = await place.open();
    const read = follow(reader, 600);
    await Promise.all(
      carriers.map(async (carrier, publisher) => {
        for (let batch = 0; batch < 20; batch++) {
          const numbers = Array.from({ length: 10 }, (_, index) => batch * 10 + index);
          await carrier.publish(numbers.map((number) => message(`p.${publisher}`, number)));
        }
      }),
    );
    const { data, subjects } = await read;
    for (const publisher of carriers.keys()) {
      const own = data.filter((_, index) => subjects[index] === `p.${publisher}`);
      expect(own).toEqual(Array.from({ length: 200 }, (_, index) => index));
    }
  });

  test("one process holds a consumer, and another when it lets go", async () => {
    const place = await begin();
    const [first, second] = [await place.open(), await place.open()];
    const held = await first.hold("c", never);
    const other = await second.hold("d", never);
    expect(other?.lost.aborted).toBe(false);
    const waiting = second.hold("c", never);
    const twice = new AbortController();
    const again = first.hold("c", twice.signal);
    twice.abort();
    expect(await again).toBeUndefined();
    let passed = false;
    void waiting.then(() => {
      passed = true;
    });
    await pause(systemClock, 700, never);
    expect(passed).toBe(false);
    await held?.release();
    expect((await waiting)?.lost.aborted).toBe(false);
  });

  test("a killed server does not give a consumer to two, and a process that is gone loses it", async () => {
    const place = await begin();
    const [first, second] = [await place.open(), await place.open()];
    const held = await first.hold("c", never);
    await place.kill();
    await place.restart();
    const stop = new AbortController();
    let passed: boolean | undefined;
    const waiting = second.hold("c", stop.signal).then((hold) => {
      passed = held?.lost.aborted;
      return hold;
    });
    await pause(systemClock, 500, never);
    expect(passed).not.toBe(false);
    await first.close();
    expect((await waiting)?.lost.aborted).toBe(false);
  });

  test("a state is replaced by who knows the last one only", async () => {
    const carrier = await (await begin()).open();
    expect(await carrier.loadState("c")).toBeUndefined();
    const first = await carrier.saveState("c", "one", 0);
    await expect(carrier.saveState("c", "other", 0)).rejects.toMatchObject({ code: "fenced" });
    const second = await carrier.saveState("c", "two", first);
    await expect(carrier.saveState("c", "other", first)).rejects.toMatchObject({ code: "fenced" });
    expect(await carrier.loadState("c")).toEqual({ state: "two", revision: second });
    expect(await carrier.loadState("d")).toBeUndefined();
  });

  test("dead letters are kept, listed in pages, replaced and dropped", async () => {
    const carrier = await (await begin()).open();
    const letters = [letter("c", 1), letter("c", 2), letter("c", 3)];
    for (const one of [...letters, letter("other", 4)]) await carrier.bury(one);
    expect(await carrier.deadLetters("c", 2)).toEqual(letters.slice(0, 2));
    expect(await carrier.deadLetters("c", 2, letters[1]!.event.id)).toEqual([letters[2]!]);
    const replaced = { ...letters[0]!, attempts: 9, lastAt: 6 };
    await carrier.bury(replaced);
    expect(await carrier.deadLetter("c", replaced.event.id)).toEqual(replaced);
    expect(await carrier.dropDeadLetter(letters[0]!)).toBe(false);
    expect(await carrier.dropDeadLetter(replaced)).toBe(true);
    expect(await carrier.dropDeadLetter(replaced)).toBe(false);
    expect(await carrier.deadLetter("c", replaced.event.id)).toBeUndefined();
    expect(await carrier.deadLetters("c", 10)).toEqual(letters.slice(1));
  });

  test("what is beyond the retained size goes, and a late follower is told how much", async () => {
    const place = await begin();
    const carrier = await place.open({ retention: { ageMs: 3_600_000, bytes: 50_000 } });
    const messages = Array.from({ length: 100 }, (_, index) => message("a", [index, "x".repeat(1_000)]));
    await carrier.publish(messages);
    // PostgreSQL removes once a minute, and first when it is opened.
    await place.open({ retention: { ageMs: 3_600_000, bytes: 50_000 } });
    let read = await follow(carrier, 1, { after: 10 });
    while (read.sequences[0] === 11) read = await follow(carrier, 1, { after: 10 });
    const first = read.sequences[0]!;
    expect(first).toBeGreaterThan(40);
    expect(read.batches.reduce((sum, batch) => sum + batch.missed, 0)).toBe(first - 11);
    expect((await follow(carrier, 1, { after: 99 })).batches[0]?.missed).toBe(0);
  });

  test("what is older than the retained age goes", async () => {
    const place = await begin();
    const carrier = await place.open({ retention: { ageMs: 500, bytes: 1 << 20 } });
    await carrier.publish([message("a", 1)]);
    await pause(systemClock, 600, never);
    await place.open({ retention: { ageMs: 500, bytes: 1 << 20 } });
    const late = message("a", 2);
    await carrier.publish([late]);
    let { sequences } = await follow(carrier, 1);
    while (sequences[0] === 1) ({ sequences } = await follow(carrier, 1));
    expect(sequences).toEqual([2]);
  });

  test("a killed server has kept all that was published, and followers go on", async () => {
    const place = await begin();
    const carrier = await place.open();
    const read = follow(carrier, 400);
    let published = 0;
    const publishing = (async () => {
      while (published < 400) {
        const batch = Array.from({ length: 20 }, (_, index) => message("a.b", published + index));
        // The same batch until it is through: what was published of it is not published again.
        while (
          !(await carrier.publish(batch).then(
            () => true,
            () => false,
          ))
        )
          await pause(systemClock, 50, never);
        published += 20;
      }
    })();
    for (const at of [100, 250]) {
      while (published < at) await pause(systemClock, 1, never);
      await place.kill();
      await place.restart();
    }
    await publishing;
    expect((await read).data).toEqual(Array.from({ length: 400 }, (_, index) => index));
  });
}

test.skipIf(!NATS_IS_HERE)("a message over NATS that is no event is passed over", async () => {
  const places = new Places("NATS");
  const place = await places.make();
  const carrier = await place.open();
  const stranger = await connectNats(place.url, systemClock);
  for (const body of ["no JSON", "{}", '{"id":"x","time":1,"data":1}']) {
    await jetstream(stranger).publish(`${EVENT_SUBJECT}a.b`, body);
  }
  await stranger.close();
  await carrier.publish([message("a.b", "sound")]);
  expect((await follow(carrier, 1)).data).toEqual(["sound"]);
  await places.remove();
});
