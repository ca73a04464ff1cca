import { type Clock, systemClock } from "../clock.ts";
import type { Database } from "../db/database.ts";
import type { Log } from "../log.ts";
import { type Random, systemRandom } from "../random.ts";
import type { Carrier, DeadLetter } from "./carrier.ts";
import { type Consumer, type ConsumerOptions, DurableConsumer } from "./consumer.ts";
import { RETRY } from "./delivery.ts";
import { BusError } from "./errors.ts";
import { type BusEvent, parsedEvent } from "./event.ts";
import { OutboxRelay, type Relay } from "./relay.ts";
import { checkConsumerName, checkPatterns } from "./subjects.ts";

const CONCURRENCY = 16;
const HANDLER_MS_MAX = 30_000;
/** Of one list. */
const DEAD_LETTERS_LISTED_MAX = 1_000;
const EVENT_ID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

export interface BusOptions {
  /** Closed with the bus. */
  carrier: Carrier;
  log: Log;
  clock?: Clock;
  random?: Random;
}

export class Bus {
  private readonly carrier: Carrier;
  private readonly log: Log;
  private readonly clock: Clock;
  private readonly random: Random;
  private readonly closing = new AbortController();
  private readonly running = new Set<Consumer | Relay>();
  /** Of the consumers in this process. */
  readonly consumers = new Set<string>();

  constructor({ carrier, log, clock = systemClock, random = systemRandom }: BusOptions) {
    this.carrier = carrier;
    this.log = log;
    this.clock = clock;
    this.random = random;
  }

  /**
   * Handles the events of `subjects`, at least once each and in order within a subject, from now until the bus is closed; in one process
   * at a time of those that consume under this name. Throws `bad_subject`.
   */
  consume(options: ConsumerOptions): Consumer {
    this.checkOpen();
    checkConsumerName(options.name);
    checkPatterns(options.subjects);
    const complete = {
      from: options.from ?? "first",
      concurrency: options.concurrency ?? CONCURRENCY,
      handlerMsMax: options.handlerMsMax ?? HANDLER_MS_MAX,
      name: options.name,
      subjects: options.subjects,
      handler: options.handler,
      retry: { ...RETRY, ...options.retry },
    } as const;
    const { carrier, clock, random, log } = this;
    this.consumers.add(options.name);
    return this.track(new DurableConsumer(complete, { carrier, clock, random, log }));
  }

  /**
   * The events of `subjects` that are published after this resolves, until `signal` is aborted; nothing of it is kept. A reader that is
   * slow is waited for. Throws `bad_subject`.
   */
  async tail(subjects: readonly string[], signal: AbortSignal): Promise<AsyncIterable<BusEvent>> {
    this.checkOpen();
    checkPatterns(subjects);
    const after = await this.carrier.last();
    return this.events(subjects, after, AbortSignal.any([signal, this.closing.signal]));
  }

  private async *events(
    patterns: readonly string[],
    after: number,
    signal: AbortSignal,
  ): AsyncGenerator<BusEvent> {
    for await (const { events, missed } of this.carrier.follow({ patterns, after, signal })) {
      if (missed > 0) this.log.warn("events were removed before a tail read them", { events: missed });
      for (const { event } of events) {
        if (signal.aborted) return;
        yield parsedEvent(event);
      }
    }
  }

  /** Brings the events of the outbox in `sql` to the carrier, in one process at a time, until the bus is closed. */
  async relay(sql: Database): Promise<Relay> {
    this.checkOpen();
    const relay = new OutboxRelay(sql, this.carrier, this.clock, this.log);
    await relay.start();
    return this.track(relay);
  }

  /** At most `limit` (1,000) of them, in the order of their events' ids, after that of the event `after`. */
  async deadLetters(
    consumer: string,
    { limit = DEAD_LETTERS_LISTED_MAX, after }: { limit?: number; after?: string } = {},
  ): Promise<DeadLetter[]> {
    checkConsumerName(consumer);
    if (after !== undefined) checkEventId(after);
    return this.carrier.deadLetters(consumer, Math.min(limit, DEAD_LETTERS_LISTED_MAX), after);
  }

  /** Throws `not_found`. */
  async deadLetter(consumer: string, eventId: string): Promise<DeadLetter> {
    checkConsumerName(consumer);
    checkEventId(eventId);
    const letter = await this.carrier.deadLetter(consumer, eventId);
    if (letter) return letter;
    throw notFound(consumer, eventId);
  }

  /** Sends the event to this consumer again, after all that it was sent before, with all attempts anew. Throws `not_found`. */
  async replay(consumer: string, eventId: string): Promise<void> {
    await this.replayLetter(await this.deadLetter(consumer, eventId));
  }

  /** Replays all dead letters that there are now, in order. Returns how many. */
  async replayAll(consumer: string): Promise<number> {
    let replayed = 0;
    let after: string | undefined;
    for (;;) {
      const letters = await this.deadLetters(consumer, { after });
      for (const letter of letters) await this.replayLetter(letter);
      replayed += letters.length;
      after = letters.at(-1)?.event.id;
      if (after === undefined) return replayed;
    }
  }

  private async replayLetter(letter: DeadLetter): Promise<void> {
    const { consumer, event, lastAt } = letter;
    const { id, subject, time, data } = event;
    const messageId = `replay/${consumer}/${id}/${lastAt}`;
    const stored = { id, subject, time, json: JSON.stringify(data) };
    await this.carrier.publish([{ messageId, event: stored, consumer }]);
    await this.carrier.dropDeadLetter(letter);
  }

  /** Throws `not_found`. */
  async drop(consumer: string, eventId: string): Promise<void> {
    await this.carrier.dropDeadLetter(await this.deadLetter(consumer, eventId));
  }

  /** Stops consumers, tails and relays, then the carrier. */
  async close(): Promise<void> {
    this.closing.abort();
    await Promise.all([...this.running].map((one) => one.stop()));
    await this.carrier.close();
  }

  private track<T extends Consumer | Relay>(one: T): T {
    this.running.add(one);
    return one;
  }

  private checkOpen(): void {
    if (this.closing.signal.aborted) throw new BusError("closed", "The bus is closed");
  }
}

function checkEventId(id: string): void {
  if (!EVENT_ID.test(id))
    throw new BusError("not_found", `${JSON.stringify(id.slice(0, 64))} is no event's id`);
}

function notFound(consumer: string, eventId: string): BusError {
  return new BusError("not_found", `${consumer} has no dead letter of the event ${eventId}`);
}
