// Events over NATS JetStream. Within a subject one message is published after the other is acknowledged, so that no lost
// connection changes their order; different subjects go at the same time.
import {
  AckPolicy,
  type ConsumerMessages,
  DeliverPolicy,
  type JetStreamClient,
  type JetStreamManager,
  type JsMsg,
  jetstream,
} from "@nats-io/jetstream";
import { headers, type NatsConnection, nanos } from "@nats-io/transport-node";
import { z } from "zod";
import { type Clock, systemClock } from "../clock.ts";
import type { Log } from "../log.ts";
import {
  type Batch,
  type Carrier,
  DEAD_LETTERS_MAX,
  type DeadLetter,
  type FollowOptions,
  type Hold,
  type Message,
  RETENTION,
  type Retention,
} from "./carrier.ts";
import { BusError } from "./errors.ts";
import type { StoredEvent } from "./event.ts";
import { holdLease, isWrongLastSequence } from "./nats-lease.ts";
import {
  CONSUMER_SUBJECT,
  connectNats,
  DEAD_SUBJECT,
  EVENT_SUBJECT,
  EVENTS_STREAM,
  ensureStreams,
  STATE_STREAM,
} from "./nats-streams.ts";
import { commonPattern, patternsSource } from "./subjects.ts";
import { pause } from "./waiting.ts";

const CONSUMER_HEADER = "Skerry-Consumer";
const PUBLISH_AT_ONCE = 128;
const REQUEST_TIMEOUT_MS = 3_000;
/** Messages and time of one fetch; an idle reader is made anew after it. */
const FETCH_EVENTS = 100;
const FETCH_MS = 10_000;
/** A reader whose process is gone is removed by the server after it. */
const READER_IDLE_MS = 60_000;
const RETRY_MS = 250;

export interface NatsCarrierOptions {
  /** See {@link connectNats}. */
  url: string;
  log: Log;
  clock?: Clock;
  retention?: Retention;
  /** Servers that keep each stream; more than 1 in a NATS cluster only. */
  replicas?: number;
}

/** Connects and makes the streams. Rejects where the server cannot be reached within 30 s. */
export async function openNatsCarrier(options: NatsCarrierOptions): Promise<NatsCarrier> {
  const { url, log, clock = systemClock, retention = RETENTION, replicas = 1 } = options;
  const connection = await connectNats(url, clock);
  try {
    const manager = await ensureStreams(connection, retention, replicas);
    return new NatsCarrier(connection, manager, clock, log);
  } catch (error) {
    await connection.close();
    throw error;
  }
}

const ENVELOPE = z.object({ id: z.uuid(), time: z.int(), data: z.json() });

export class NatsCarrier implements Carrier {
  private readonly client: JetStreamClient;
  private readonly closing = new AbortController();
  /** What is being fetched; a new connection knows nothing of it. */
  private readonly fetches = new Set<ConsumerMessages>();
  private away = false;
  /** Of requests that wait for an answer, which a lost connection takes with it. */
  private readonly refusals = new Set<(error: Error) => void>();

  constructor(
    private readonly connection: NatsConnection,
    private readonly manager: JetStreamManager,
    private readonly clock: Clock,
    private readonly log: Log,
  ) {
    this.client = jetstream(connection, { timeout: REQUEST_TIMEOUT_MS });
    void this.watchConnection();
  }

  async close(): Promise<void> {
    this.closing.abort();
    await this.connection.close();
  }

  private async watchConnection(): Promise<void> {
    for await (const { type } of this.connection.status()) {
      if (type === "disconnect") {
        this.log.warn("the connection to NATS is lost; connecting again");
        this.away = true;
        for (const refuse of this.refusals) refuse(new Error("the connection to NATS was lost"));
      }
      if (type !== "reconnect") continue;
      this.log.info("the connection to NATS is back");
      this.away = false;
      for (const fetch of this.fetches) fetch.stop();
    }
  }

  /** Rejects at once while the connection is lost, and when it is being lost, instead of when the request's time is up. */
  private async answered<T>(ask: () => Promise<T>): Promise<T> {
    if (this.away) throw new Error("the connection to NATS is lost");
    const lost = Promise.withResolvers<never>();
    this.refusals.add(lost.reject);
    try {
      return await Promise.race([ask(), lost.promise]);
    } finally {
      this.refusals.delete(lost.reject);
    }
  }

  async publish(messages: readonly Message[]): Promise<void> {
    const lanes = [...Map.groupBy(messages, (message) => message.event.subject).values()];
    const publishLanes = async (): Promise<void> => {
      for (let lane = lanes.shift(); lane !== undefined; lane = lanes.shift()) {
        for (const message of lane) await this.publishOne(message);
      }
    };
    const ended = await Promise.allSettled(Array.from({ length: PUBLISH_AT_ONCE }, publishLanes));
    for (const end of ended) if (end.status === "rejected") throw end.reason;
  }

  private async publishOne({ messageId, event, consumer }: Message): Promise<void> {
    const { id, subject, time, json } = event;
    const body = `{"id":${JSON.stringify(id)},"time":${time},"data":${json}}`;
    const only = headers();
    if (consumer !== undefined) only.set(CONSUMER_HEADER, consumer);
    const options = { msgID: messageId, headers: only };
    await this.answered(() => this.client.publish(EVENT_SUBJECT + subject, body, options));
  }

  async last(): Promise<number> {
    return (await this.answered(() => this.manager.streams.info(EVENTS_STREAM))).state.last_seq;
  }

  async *follow(options: FollowOptions): AsyncGenerator<Batch> {
    const signal = AbortSignal.any([options.signal, this.closing.signal]);
    let position = options.after;
    while (!signal.aborted) {
      try {
        for await (const batch of this.read({ ...options, after: position, signal })) {
          position = batch.scanned;
          yield batch;
        }
      } catch (error) {
        if (signal.aborted) return;
        this.log.warn("cannot read events; trying again", { error: (error as Error).message });
        await pause(this.clock, RETRY_MS, signal);
      }
    }
  }

  /** Reads with one consumer of the server, until it is idle or breaks. */
  private async *read({ patterns, after, consumer, signal }: FollowOptions): AsyncGenerator<Batch> {
    const { state } = await this.answered(() => this.manager.streams.info(EVENTS_STREAM));
    const missed = Math.max(0, state.first_seq - after - 1);
    if (missed > 0) yield { events: [], scanned: state.first_seq - 1, missed };
    const { name } = await this.manager.consumers.add(EVENTS_STREAM, {
      ack_policy: AckPolicy.None,
      deliver_policy: DeliverPolicy.StartSequence,
      opt_start_seq: after + missed + 1,
      filter_subject: EVENT_SUBJECT + commonPattern(patterns),
      inactive_threshold: nanos(READER_IDLE_MS),
      mem_storage: true,
      num_replicas: 1,
    });
    try {
      const wanted = new RegExp(patternsSource(patterns));
      let delivered = 0;
      for await (const message of this.fetchAll(name, signal)) {
        if (message.info.deliverySequence !== ++delivered) throw new Error("messages were lost on their way");
        const only = message.headers?.get(CONSUMER_HEADER);
        const mine = wanted.test(subjectOf(message)) && (!only || only === consumer);
        const event = mine ? this.eventOf(message) : undefined;
        const events = event ? [{ sequence: message.seq, event }] : [];
        yield { events, scanned: message.seq, missed: 0 };
      }
    } finally {
      // The server removes it later where it cannot be told now.
      await this.manager.consumers.delete(EVENTS_STREAM, name).catch(() => {});
    }
  }

  /** Whoever may write to the server may write anything; it must not stop a consumer. */
  private eventOf(message: JsMsg): StoredEvent | undefined {
    try {
      const { id, time, data } = ENVELOPE.parse(message.json());
      return { id, subject: subjectOf(message), time, json: JSON.stringify(data) };
    } catch {
      this.log.error("a message that is no event was passed over", {
        sequence: message.seq,
        subject: message.subject,
      });
      return undefined;
    }
  }

  /** Ends after a fetch that brought nothing: because there was nothing, or because the server has lost the consumer. */
  private async *fetchAll(name: string, signal: AbortSignal): AsyncGenerator<JsMsg> {
    const consumer = await this.client.consumers.get(EVENTS_STREAM, name);
    for (let fetched = 1; fetched > 0; ) {
      fetched = 0;
      const askedAt = this.clock.monotonic();
      const messages = await consumer.fetch({ max_messages: FETCH_EVENTS, expires: FETCH_MS });
      const stop = () => messages.stop();
      this.fetches.add(messages);
      signal.addEventListener("abort", stop);
      try {
        if (signal.aborted) return;
        for await (const message of messages) {
          fetched++;
          yield message;
        }
      } finally {
        messages.stop();
        signal.removeEventListener("abort", stop);
        this.fetches.delete(messages);
      }
      const early = this.clock.monotonic() - askedAt < FETCH_MS / 2;
      if (fetched === 0 && early) await pause(this.clock, RETRY_MS, signal);
    }
  }

  hold(consumer: string, signal: AbortSignal): Promise<Hold | undefined> {
    const until = AbortSignal.any([signal, this.closing.signal]);
    return holdLease(this.client, this.manager, consumer, {
      clock: this.clock,
      log: this.log,
      signal: until,
    });
  }

  async loadState(consumer: string): Promise<{ state: string; revision: number } | undefined> {
    const query = { last_by_subj: CONSUMER_SUBJECT + consumer };
    const found = await this.answered(() => this.manager.streams.getMessage(STATE_STREAM, query));
    return found ? { state: found.string(), revision: found.seq } : undefined;
  }

  async saveState(consumer: string, state: string, revision: number): Promise<number> {
    try {
      const expect = { lastSubjectSequence: revision };
      const save = () => this.client.publish(CONSUMER_SUBJECT + consumer, state, { expect });
      return (await this.answered(save)).seq;
    } catch (error) {
      if (!isWrongLastSequence(error)) throw error;
      throw new BusError("fenced", `Another process works the consumer ${consumer}`, { cause: error });
    }
  }

  async bury(letter: DeadLetter): Promise<void> {
    const { consumer, event } = letter;
    const ids = await this.deadIds(consumer);
    if (ids.length >= DEAD_LETTERS_MAX && !ids.includes(event.id)) {
      throw new BusError(
        "dead_letters_full",
        `${consumer} has ${DEAD_LETTERS_MAX} dead letters: replay or drop them`,
      );
    }
    await this.client.publish(deadSubject(consumer, event.id), JSON.stringify(letter));
  }

  async deadLetters(consumer: string, limit: number, after = ""): Promise<DeadLetter[]> {
    const ids = (await this.deadIds(consumer)).filter((id) => id > after).slice(0, limit);
    const letters = await Promise.all(ids.map((id) => this.deadLetter(consumer, id)));
    return letters.filter((letter) => letter !== undefined);
  }

  /** In order. */
  private async deadIds(consumer: string): Promise<string[]> {
    const prefix = deadSubject(consumer, "");
    const { state } = await this.manager.streams.info(STATE_STREAM, { subjects_filter: `${prefix}*` });
    return Object.keys(state.subjects ?? {})
      .map((subject) => subject.slice(prefix.length))
      .sort();
  }

  async deadLetter(consumer: string, eventId: string): Promise<DeadLetter | undefined> {
    return (await this.storedLetter(consumer, eventId))?.letter;
  }

  async dropDeadLetter({ consumer, event, lastAt }: DeadLetter): Promise<boolean> {
    const stored = await this.storedLetter(consumer, event.id);
    if (stored?.letter.lastAt !== lastAt) return false;
    return this.manager.streams.deleteMessage(STATE_STREAM, stored.sequence);
  }

  private async storedLetter(
    consumer: string,
    eventId: string,
  ): Promise<{ letter: DeadLetter; sequence: number } | undefined> {
    const subject = deadSubject(consumer, eventId);
    const found = await this.manager.streams.getMessage(STATE_STREAM, { last_by_subj: subject });
    return found ? { letter: JSON.parse(found.string()) as DeadLetter, sequence: found.seq } : undefined;
  }
}

function deadSubject(consumer: string, eventId: string): string {
  return `${DEAD_SUBJECT}${consumer}.${eventId}`;
}

function subjectOf(message: JsMsg): string {
  return message.subject.slice(EVENT_SUBJECT.length);
}
