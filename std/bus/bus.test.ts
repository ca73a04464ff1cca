// Consumers, dead letters and tails, over each carrier on a real server.
import { afterAll, afterEach, describe, expect, setDefaultTimeout, test } from "bun:test";
import { silentLog } from "../log.ts";
import { Bus } from "./bus.ts";
import type { Carrier } from "./carrier.ts";
import type { RetryPolicy } from "./delivery.ts";
import { BusError } from "./errors.ts";
import { type BusEvent, type Json, storedEvent } from "./event.ts";
import { CARRIERS, type CarrierKind, type Place, Places } from "./testing/carriers.ts";
import { crashOn } from "./testing/crashing-consumer.ts";
import { tellMissingNats } from "./testing/nats-server.ts";
import { until } from "./testing/until.ts";

// Real servers on a loaded machine.
setDefaultTimeout(60_000);
tellMissingNats();

const QUICK: RetryPolicy = { firstMs: 10, maxMs: 40, attemptsMax: 4 };

for (const { kind, isHere } of CARRIERS) describe.skipIf(!isHere)(kind, () => suite(kind));

function suite(kind: CarrierKind): void {
  const places = new Places(kind);
  const buses: Bus[] = [];
  afterEach(async () => {
    await Promise.all(buses.splice(0).map((bus) => bus.close()));
    await places.clear();
  });
  afterAll(() => places.remove());

  /** A bus as a process has it, on `place`. */
  async function openBus(place: Place): Promise<{ bus: Bus; carrier: Carrier }> {
    const carrier = await place.open();
    const bus = new Bus({ carrier, log: silentLog });
    buses.push(bus);
    return { bus, carrier };
  }

  async function begin(): Promise<{ place: Place; bus: Bus; carrier: Carrier }> {
    const place = await places.make();
    return { place, ...(await openBus(place)) };
  }

  async function emit(carrier: Carrier, subject: string, ...data: Json[]): Promise<void> {
    const events = data.map((one) => storedEvent({ subject, data: one }, Date.now()));
    await carrier.publish(events.map((event) => ({ messageId: event.id, event })));
  }

  test("a consumer gets what it asked for, from the oldest on, and goes on where it stopped", async () => {
    const { place, bus, carrier } = await begin();
    await emit(carrier, "a.x", 1, 2);
    await emit(carrier, "b.x", "not mine");
    const got: Json[] = [];
    const options = { name: "c", subjects: ["a.*"], handler: (event: BusEvent) => void got.push(event.data) };
    const consumer = bus.consume(options);
    await until(() => got.length === 2);
    await emit(carrier, "a.x", 3);
    await until(() => got.length === 3);
    await consumer.stop();
    await emit(carrier, "a.y", 4);
    const { bus: later } = await openBus(place);
    later.consume(options);
    await until(() => got.length === 4);
    expect(got).toEqual([1, 2, 3, 4]);
  });

  test("a new consumer may begin with what comes", async () => {
    const { bus, carrier } = await begin();
    await emit(carrier, "a", "old");
    const got: Json[] = [];
    bus.consume({ name: "c", subjects: ["a"], from: "now", handler: (event) => void got.push(event.data) });
    await until(async () => (await carrier.loadState("c")) !== undefined);
    await emit(carrier, "a", "new");
    await until(() => got.length === 1);
    expect(got).toEqual(["new"]);
  });

  test("a failed event holds its subject back, and no other", async () => {
    const { bus, carrier } = await begin();
    const got: string[] = [];
    await emit(carrier, "a.bad", 1, 2);
    await emit(carrier, "a.good", 1, 2);
    bus.consume({
      name: "c",
      subjects: ["a.>"],
      retry: { ...QUICK, firstMs: 200 },
      handler: ({ subject, data }, { attempt }) => {
        got.push(`${subject} ${data} ${attempt}`);
        if (subject === "a.bad" && data === 1 && attempt < 3) throw new Error("not yet");
      },
    });
    await until(() => got.length === 6);
    expect(got.filter((one) => one.startsWith("a.bad"))).toEqual([
      "a.bad 1 1",
      "a.bad 1 2",
      "a.bad 1 3",
      "a.bad 2 1",
    ]);
    expect(got.indexOf("a.good 2 1")).toBeLessThan(got.indexOf("a.bad 1 2"));
    expect(await bus.deadLetters("c")).toEqual([]);
  });

  test("attempts are remembered over a stop, and the last makes a dead letter", async () => {
    const { place, bus, carrier } = await begin();
    const before = Date.now();
    await emit(carrier, "a", "poison", "next");
    const attempts: number[] = [];
    const got: Json[] = [];
    const options = {
      name: "c",
      subjects: ["a"],
      retry: { ...QUICK, firstMs: 300 },
      handler: ({ data }: BusEvent, { attempt }: { attempt: number }) => {
        if (data === "poison") {
          attempts.push(attempt);
          throw new TypeError(`no ${attempt}`);
        }
        got.push(data);
      },
    };
    const first = bus.consume(options);
    await until(() => attempts.length === 2);
    await first.stop();
    expect(got).toEqual([]);
    const { bus: second } = await openBus(place);
    second.consume(options);
    await until(() => got.length === 1);
    expect(attempts).toEqual([1, 2, 3, 4]);
    const [letter] = await bus.deadLetters("c");
    expect(letter).toMatchObject({ consumer: "c", attempts: 4, error: "TypeError: no 4" });
    expect(letter!.event).toMatchObject({ subject: "a", data: "poison" });
    expect(letter!.firstAt).toBeGreaterThanOrEqual(before);
    expect(letter!.lastAt).toBeGreaterThan(letter!.firstAt);
    expect(await bus.deadLetter("c", letter!.event.id)).toEqual(letter!);
  });

  test("dead letters are replayed to their consumer alone, one or all, or dropped", async () => {
    const { bus, carrier } = await begin();
    let broken = true;
    const [got, others]: [Json[], Json[]] = [[], []];
    bus.consume({
      name: "c",
      subjects: ["a.*"],
      retry: QUICK,
      handler: ({ data }) => {
        if (broken) throw new Error("broken");
        got.push(data);
      },
    });
    bus.consume({ name: "other", subjects: [">"], handler: ({ data }) => void others.push(data) });
    for (const [index, subject] of ["a.1", "a.2", "a.3", "a.4"].entries())
      await emit(carrier, subject, index);
    await until(async () => (await bus.deadLetters("c")).length === 4);
    const letters = (await bus.deadLetters("c")).map((letter) => letter.event.id);
    expect(await bus.deadLetters("c", { limit: 2, after: letters[0]! })).toHaveLength(2);
    // It fails again, and is dead again.
    await bus.replay("c", letters[0]!);
    await until(async () => (await bus.deadLetters("c")).length === 4);
    broken = false;
    await bus.replay("c", letters[0]!);
    await until(() => got.length === 1);
    await bus.drop("c", letters[1]!);
    expect(await bus.replayAll("c")).toBe(2);
    await until(() => got.length === 3);
    expect(got.toSorted()).toEqual([0, 2, 3]);
    expect(others).toEqual([0, 1, 2, 3]);
    expect(await bus.deadLetters("c")).toEqual([]);
    await expect(bus.replay("c", letters[0]!)).rejects.toMatchObject({ code: "not_found" });
    await expect(bus.drop("c", "x.>")).rejects.toMatchObject({ code: "not_found" });
  });

  test("as many run at once as were asked for, and one of a subject", async () => {
    const { bus, carrier } = await begin();
    for (let subject = 0; subject < 10; subject++) await emit(carrier, `a.${subject}`, 1, 2, 3);
    const running = new Map<string, number>();
    let [most, done] = [0, 0];
    bus.consume({
      name: "c",
      subjects: ["a.*"],
      concurrency: 4,
      handler: async ({ subject }) => {
        running.set(subject, (running.get(subject) ?? 0) + 1);
        expect(running.get(subject)).toBe(1);
        most = Math.max(most, running.size);
        await Bun.sleep(2);
        running.delete(subject);
        done++;
      },
    });
    await until(() => done === 30);
    expect(most).toBe(4);
    expect(await bus.deadLetters("c")).toEqual([]);
  });

  test("a stop aborts handlers, does not count it, and another process goes on", async () => {
    const { place, bus, carrier } = await begin();
    await emit(carrier, "a", 1);
    const started = Promise.withResolvers<void>();
    const first = bus.consume({
      name: "c",
      subjects: ["a"],
      handler: (_, { signal }) => {
        started.resolve();
        return new Promise((_, reject) =>
          signal.addEventListener("abort", () => reject(new Error("stopped"))),
        );
      },
    });
    await started.promise;
    const attempts: number[] = [];
    const { bus: other } = await openBus(place);
    other.consume({ name: "c", subjects: ["a"], handler: (_, { attempt }) => void attempts.push(attempt) });
    await first.stop();
    await until(() => attempts.length === 1);
    expect(attempts).toEqual([1]);
  });

  test("a handler that takes too long has failed", async () => {
    const { bus, carrier } = await begin();
    await emit(carrier, "a", 1);
    let aborted = 0;
    bus.consume({
      name: "c",
      subjects: ["a"],
      handlerMsMax: 50,
      retry: { ...QUICK, attemptsMax: 2 },
      handler: (_, { signal }) =>
        new Promise(() => {
          signal.addEventListener("abort", () => aborted++);
        }),
    });
    await until(async () => (await bus.deadLetters("c")).length === 1);
    expect((await bus.deadLetters("c"))[0]?.error).toBe("Error: The handler took longer than 0.05 s");
    expect(aborted).toBe(2);
  });

  test("an event that kills its process is a dead letter in the end, and its neighbours are not", async () => {
    const { place, bus, carrier } = await begin();
    for (let subject = 0; subject < 6; subject++)
      await emit(carrier, `a.${subject}`, subject === 3 ? "crash" : "fine");
    // One more than its attempts: the first is not known to have been one.
    for (let crash = 0; crash < 3; crash++) expect(await crashOn(kind, place.url)).toBe("crashed");
    expect(await crashOn(kind, place.url)).toBe("done");
    const letters = await bus.deadLetters("crashing");
    expect(letters.map((letter) => letter.event.subject)).toEqual(["a.3"]);
    expect(letters[0]).toMatchObject({ attempts: 2, error: "its process ended while it was handled" });
  });

  test("a tail has what comes after it began, until its signal", async () => {
    const { bus, carrier } = await begin();
    await emit(carrier, "a", "before");
    const stop = new AbortController();
    const tail = await bus.tail(["a", "b.>"], stop.signal);
    await emit(carrier, "a", 1);
    await emit(carrier, "c", "not mine");
    await emit(carrier, "b.c", 2);
    const got: Json[] = [];
    for await (const event of tail) {
      got.push(event.data);
      if (got.length === 2) stop.abort();
    }
    expect(got).toEqual([1, 2]);
  });

  test("a killed server costs a consumer nothing but repetition", async () => {
    const { place, bus, carrier } = await begin();
    const got: number[] = [];
    bus.consume({
      name: "c",
      subjects: ["a"],
      retry: QUICK,
      handler: ({ data }) => void got.push(data as number),
    });
    for (let number = 0; number < 60; number++) {
      if (number === 20 || number === 40) {
        await place.kill();
        await place.restart();
      }
      const event = storedEvent({ subject: "a", data: number }, Date.now());
      await until(() =>
        carrier.publish([{ messageId: event.id, event }]).then(
          () => true,
          () => false,
        ),
      );
    }
    await until(() => got.includes(59));
    expect([...new Set(got)]).toEqual(Array.from({ length: 60 }, (_, index) => index));
    expect(await bus.deadLetters("c")).toEqual([]);
  });

  test("where no dead letter can be kept, the event holds its subject back until one can", async () => {
    const { bus, carrier } = await begin();
    await emit(carrier, "a", "bad", "next");
    const bury = carrier.bury.bind(carrier);
    let refusals = 2;
    carrier.bury = async (letter) => {
      if (refusals-- > 0) throw new BusError("dead_letters_full", "full");
      await bury(letter);
    };
    let attempts = 0;
    const got: Json[] = [];
    bus.consume({
      name: "c",
      subjects: ["a"],
      retry: { ...QUICK, attemptsMax: 2 },
      handler: ({ data }) => {
        if (data !== "bad") return got.push(data);
        expect(refusals).toBe(2);
        attempts++;
        throw new Error("no");
      },
    });
    await until(() => got.length === 1);
    expect(refusals).toBe(-1);
    expect(attempts).toBe(2);
    expect(await bus.deadLetters("c")).toHaveLength(1);
  });

  test("a consumer whose position the carrier never had begins at its end", async () => {
    const { bus, carrier } = await begin();
    await emit(carrier, "a", "before");
    const state = { position: 1_000, done: [1_001], failing: [], open: false };
    await carrier.saveState("c", JSON.stringify(state), 0);
    const got: Json[] = [];
    bus.consume({ name: "c", subjects: ["a"], handler: ({ data }) => void got.push(data) });
    await until(async () => (await carrier.loadState("c"))?.state.includes('"position":1,') === true);
    await emit(carrier, "a", "after");
    await until(() => got.length === 1);
    expect(got).toEqual(["after"]);
  });

  test("more events than the window holds are read on when there is room, in order", async () => {
    const { bus, carrier } = await begin();
    const [blocked, started] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
    const numbers = Array.from({ length: 1_500 }, (_, index) => index);
    await emit(carrier, "a.blocked", ...numbers);
    await emit(carrier, "a.free", "free");
    const got: Json[] = [];
    bus.consume({
      name: "c",
      subjects: ["a.*"],
      handler: async ({ data }) => {
        started.resolve();
        if (got.length === 0) await blocked.promise;
        got.push(data);
      },
    });
    await started.promise;
    blocked.resolve();
    await until(() => got.length === 1_501);
    expect(got.filter((data) => data !== "free")).toEqual(numbers);
  });

  test("a bus refuses bad names and, once closed, everything", async () => {
    const { bus } = await begin();
    const handler = () => {};
    expect(() => bus.consume({ name: "a.b", subjects: ["a"], handler })).toThrow("is not a consumer's name");
    expect(() => bus.consume({ name: "a", subjects: ["a..b"], handler })).toThrow("is not a subject pattern");
    await bus.close();
    expect(() => bus.consume({ name: "a", subjects: ["a"], handler })).toThrow("The bus is closed");
  });
}
