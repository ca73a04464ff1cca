// Events over PostgreSQL. The row of `head` is locked by who publishes until it commits: sequences are given in the order of
// commits, so that a reader who has seen one has seen all before it.
import { type Clock, systemClock } from "../clock.ts";
import type { Database } from "../db/database.ts";
import { migrate } from "../db/migrate.ts";
import type { Log } from "../log.ts";
import { AdvisoryLocks } from "./advisory-locks.ts";
import {
  BATCH_BYTES_MAX,
  BATCH_EVENTS_MAX,
  type Batch,
  type Carrier,
  DEAD_LETTERS_MAX,
  type DeadLetter,
  type FollowOptions,
  type Hold,
  type Message,
  RETENTION,
  type Retention,
  type Sequenced,
} from "./carrier.ts";
import { Channel } from "./channel.ts";
import { BusError } from "./errors.ts";
import { EVENTS_MIGRATIONS } from "./postgres-schema.ts";
import { patternsSource } from "./subjects.ts";
import { pause } from "./waiting.ts";

const CHANNEL = "bus_events";
/** For a notification that was lost with its connection. */
const POLL_MS = 2_000;
const RETRY_MS = 500;
/** Events that one query looks through for a consumer that wants few of them. */
const SCAN_EVENTS_MAX = 20_000;
const RETENTION_MS = 60_000;
const RETENTION_ROWS = 5_000;

export interface PostgresCarrierOptions {
  /** The database `events`. The carrier does not close it. */
  sql: Database;
  log: Log;
  clock?: Clock;
  retention?: Retention;
}

/** Brings the schema up to date and listens. Rejects where the database cannot be reached. */
export async function openPostgresCarrier(options: PostgresCarrierOptions): Promise<PostgresCarrier> {
  const { sql, log, clock = systemClock, retention = RETENTION } = options;
  await migrate(sql, EVENTS_MIGRATIONS, log);
  const carrier = new PostgresCarrier(sql, clock, log, retention);
  await carrier.start();
  return carrier;
}

/** One event, or none where only `last` and `first` are set. */
interface StreamRow {
  last: string;
  first: string;
  matching: string | null;
  sequence: string | null;
  id: string;
  subject: string;
  time: Date;
  json: string;
}

function sequenced({ sequence, id, subject, time, json }: StreamRow): Sequenced {
  return { sequence: Number(sequence), event: { id, subject, time: time.getTime(), json } };
}

export class PostgresCarrier implements Carrier {
  private readonly closing = new AbortController();
  private readonly channel: Channel;
  private readonly locks: AdvisoryLocks;
  private retaining: Promise<void> = Promise.resolve();

  constructor(
    private readonly sql: Database,
    private readonly clock: Clock,
    private readonly log: Log,
    private readonly retention: Retention,
  ) {
    this.channel = new Channel(sql, CHANNEL);
    this.locks = new AdvisoryLocks(sql, clock, log);
  }

  async start(): Promise<void> {
    await this.channel.open();
    this.retaining = this.retainForEver();
  }

  async close(): Promise<void> {
    this.closing.abort();
    await this.retaining;
    await this.locks.close();
    await this.channel.close();
  }

  async publish(messages: readonly Message[]): Promise<void> {
    const unique = [...new Map(messages.map((message) => [message.messageId, message])).values()];
    for (let from = 0; from < unique.length; from += BATCH_EVENTS_MAX) {
      await this.publishBatch(unique.slice(from, from + BATCH_EVENTS_MAX));
    }
  }

  /** One statement: it is published as a whole or not at all. */
  private async publishBatch(messages: readonly Message[]): Promise<void> {
    const events = messages.map((message) => message.event);
    await this.sql`
      SELECT publish(
        ${messages.map((message) => message.messageId)}::text[],
        ${events.map((event) => event.id)}::uuid[],
        ${events.map((event) => event.subject)}::text[],
        ${events.map((event) => new Date(event.time).toISOString())}::timestamptz[],
        ${events.map((event) => event.json)}::text[],
        ${messages.map((message) => message.consumer ?? null)}::text[])`;
  }

  async last(): Promise<number> {
    const [head] = await this.sql<{ last: string }[]>`SELECT last FROM head`;
    return Number(head?.last);
  }

  async *follow({ patterns, after, consumer, signal }: FollowOptions): AsyncGenerator<Batch> {
    const until = AbortSignal.any([signal, this.closing.signal]);
    const source = patternsSource(patterns);
    const { wake } = this.channel;
    let position = after;
    let told = true;
    while (!until.aborted) {
      const { count } = wake;
      let batch: Batch;
      try {
        batch = await this.read(source, position, consumer);
      } catch (error) {
        this.log.warn("cannot read events; trying again", { error: (error as Error).message });
        await pause(this.clock, RETRY_MS, until);
        continue;
      }
      if (batch.scanned > position) {
        if (!told) this.channel.renew();
        told = true;
        position = batch.scanned;
        yield batch;
      } else {
        await wake.wait(this.clock, count, POLL_MS, until);
        told = count !== wake.count;
      }
    }
  }

  /** One statement, so that events, newest and oldest are of one moment. */
  private async read(source: string, after: number, consumer: string | undefined): Promise<Batch> {
    const end = after + SCAN_EVENTS_MAX;
    const rows = await this.sql<StreamRow[]>`
      SELECT last, coalesce((SELECT min(sequence) FROM stream), last + 1) AS first, found.*
      FROM head LEFT JOIN (
        SELECT sequence, event_id AS id, subject, time, data AS json, count(*) OVER () AS matching,
               sum(octet_length(data)) OVER (ORDER BY sequence) - octet_length(data) AS before
        FROM (
          SELECT * FROM stream
          WHERE sequence > ${after}::bigint AND sequence <= ${end}::bigint
            AND subject ~ ${source} AND (consumer IS NULL OR consumer = ${consumer ?? null}::text)
          ORDER BY sequence LIMIT ${BATCH_EVENTS_MAX}) AS oldest) AS found ON found.before < ${BATCH_BYTES_MAX}
      ORDER BY sequence`;
    const head = rows[0];
    if (!head) throw new BusError("not_found", "The table head of the database events has lost its row");
    const events = rows.filter((row) => row.sequence !== null).map(sequenced);
    const cut = events.length === BATCH_EVENTS_MAX || events.length < Number(head.matching);
    const scanned = cut ? events.at(-1)!.sequence : Math.min(Number(head.last), end);
    return { events, scanned, missed: Math.max(0, Number(head.first) - after - 1) };
  }

  hold(consumer: string, signal: AbortSignal): Promise<Hold | undefined> {
    return this.locks.hold(`bus:consumer/${consumer}`, AbortSignal.any([signal, this.closing.signal]));
  }

  async loadState(consumer: string): Promise<{ state: string; revision: number } | undefined> {
    const [row] = await this.sql<{ state: string; revision: string }[]>`
      SELECT state, revision FROM consumers WHERE name = ${consumer}`;
    return row && { state: row.state, revision: Number(row.revision) };
  }

  async saveState(consumer: string, state: string, revision: number): Promise<number> {
    const saved =
      revision === 0
        ? await this.sql`INSERT INTO consumers (name, revision, state) VALUES (${consumer}, 1, ${state})
                         ON CONFLICT DO NOTHING`
        : await this.sql`UPDATE consumers SET revision = revision + 1, state = ${state}
                         WHERE name = ${consumer} AND revision = ${revision}`;
    if (saved.count === 1) return revision + 1;
    throw new BusError("fenced", `Another process works the consumer ${consumer}`);
  }

  async bury(letter: DeadLetter): Promise<void> {
    const { consumer, event } = letter;
    const { count } = await this.sql`
      INSERT INTO dead_letters (consumer, event_id, letter)
      SELECT ${consumer}, ${event.id}, ${JSON.stringify(letter)}
      WHERE (SELECT count(*) FROM dead_letters WHERE consumer = ${consumer}) < ${DEAD_LETTERS_MAX}
      ON CONFLICT (consumer, event_id) DO UPDATE SET letter = excluded.letter`;
    if (count === 1) return;
    throw new BusError(
      "dead_letters_full",
      `${consumer} has ${DEAD_LETTERS_MAX} dead letters: replay or drop them`,
    );
  }

  async deadLetters(consumer: string, limit: number, after?: string): Promise<DeadLetter[]> {
    const rows = await this.sql<{ letter: string }[]>`
      SELECT letter FROM dead_letters WHERE consumer = ${consumer} AND (${after ?? null}::uuid IS NULL OR event_id > ${after ?? null}::uuid)
      ORDER BY event_id LIMIT ${limit}`;
    return rows.map((row) => JSON.parse(row.letter) as DeadLetter);
  }

  async deadLetter(consumer: string, eventId: string): Promise<DeadLetter | undefined> {
    const [row] = await this.sql<{ letter: string }[]>`
      SELECT letter FROM dead_letters WHERE consumer = ${consumer} AND event_id = ${eventId}`;
    return row && (JSON.parse(row.letter) as DeadLetter);
  }

  async dropDeadLetter({ consumer, event, lastAt }: DeadLetter): Promise<boolean> {
    const { count } = await this.sql`
      DELETE FROM dead_letters WHERE consumer = ${consumer} AND event_id = ${event.id}
        AND (letter::json ->> 'lastAt')::bigint = ${lastAt}`;
    return count === 1;
  }

  private async retainForEver(): Promise<void> {
    while (!this.closing.signal.aborted) {
      await this.retain().catch((error: Error) =>
        this.log.warn("cannot remove old events; trying again", { error: error.message }),
      );
      await pause(this.clock, RETENTION_MS, this.closing.signal);
    }
  }

  /** Removes what is too old or too much, from the low end. */
  async retain(): Promise<void> {
    for (;;) {
      const { count } = await this.sql`
        DELETE FROM stream WHERE sequence IN (SELECT sequence FROM stream ORDER BY sequence LIMIT ${RETENTION_ROWS})
          AND (recorded < now() - make_interval(secs => ${this.retention.ageMs / 1000})
               OR bytes <= (SELECT bytes FROM head) - ${this.retention.bytes}::bigint)`;
      if (count === 0 || this.closing.signal.aborted) return;
    }
  }
}
