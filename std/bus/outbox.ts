// The events of a change, written with it. Rows wait here until the relay has brought them to the carrier.
import type { TransactionSql } from "postgres";
import { type Clock, systemClock } from "../clock.ts";
import type { Database } from "../db/database.ts";
import type { Migration } from "../db/migrate.ts";
import { BATCH_BYTES_MAX, BATCH_EVENTS_MAX } from "./carrier.ts";
import { BusError } from "./errors.ts";
import { type NewEvent, type StoredEvent, storedEvent } from "./event.ts";

export const OUTBOX_CHANNEL = "bus_outbox";
/** Of one {@link Outbox.add}. */
export const ADD_EVENTS_MAX = 20_000;
/** Rows that wait while the carrier is away: some GB at the very most; then changes are refused. */
const OUTBOX_EVENTS_MAX = 1_000_000;
/** "bus" in ASCII: the classid of the advisory locks that order the adding of one subject's events. */
const OUTBOX_LOCKS = 0x627573;
/** One transaction takes no more locks than this, however many subjects it adds to. */
const OUTBOX_LOCK_BUCKETS = 256;
/** Longer than any carrier keeps events, so that no redelivery finds its event forgotten. */
const HANDLED_KEPT_MS = 14 * 86_400_000;
const PRUNE_ROWS = 5_000;

/** To be put into the migrations of every service that adds events or uses {@link handleOnce}. */
export const BUS_MIGRATION: Migration = {
  name: "outbox and handled events",
  up: `
    CREATE TABLE outbox (
      position bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
      id uuid NOT NULL,
      subject text NOT NULL,
      time timestamptz NOT NULL,
      data text NOT NULL
    );
    CREATE TABLE handled_events (
      consumer text NOT NULL,
      event_id uuid NOT NULL,
      handled timestamptz NOT NULL DEFAULT now(),
      PRIMARY KEY (consumer, event_id)
    );
    CREATE INDEX handled_events_handled ON handled_events (handled);`,
};

export class Outbox {
  constructor(private readonly clock: Clock = systemClock) {}

  /**
   * Adds events to be sent when `transaction` commits, and returns their ids. Best called last, and once: until the transaction ends,
   * others that add events of these subjects wait. Throws `bad_subject`, `bad_data`, and `outbox_full`.
   */
  async add(transaction: TransactionSql, events: NewEvent | readonly NewEvent[]): Promise<string[]> {
    const now = this.clock.now();
    const list = Array.isArray(events) ? (events as readonly NewEvent[]) : [events as NewEvent];
    if (list.length === 0) return [];
    if (list.length > ADD_EVENTS_MAX) {
      throw new BusError("bad_data", `Add at most ${ADD_EVENTS_MAX} events at once, not ${list.length}`);
    }
    const stored = list.map((event) => storedEvent(event, now));
    const subjects = stored.map((event) => event.subject);
    // Sent together; the second takes its positions after the first has its locks.
    const [, added] = await Promise.all([
      transaction`
        SELECT pg_advisory_xact_lock(${OUTBOX_LOCKS}::int, bucket) FROM (
          SELECT DISTINCT hashtext(subject) & ${OUTBOX_LOCK_BUCKETS - 1}::int AS bucket
          FROM unnest(${subjects}::text[]) AS subject ORDER BY bucket) AS buckets`,
      transaction`
        WITH added AS (
          INSERT INTO outbox (id, subject, time, data)
          SELECT id, subject, ${new Date(now)}, data
          FROM unnest(${stored.map((event) => event.id)}::uuid[], ${subjects}::text[],
                      ${stored.map((event) => event.json)}::text[]) WITH ORDINALITY AS new (id, subject, data, place)
          WHERE coalesce((SELECT max(position) - min(position) FROM outbox), 0) < ${OUTBOX_EVENTS_MAX}::bigint
          ORDER BY place RETURNING id)
        SELECT pg_notify(${OUTBOX_CHANNEL}, '') FROM added LIMIT 1`,
    ]);
    if (added.length === 1) return stored.map((event) => event.id);
    throw new BusError(
      "outbox_full",
      `${OUTBOX_EVENTS_MAX} events wait for the carrier: bring it back, then try again`,
    );
  }
}

/**
 * Records in the handler's own transaction that `consumer` has handled the event. False where it had before: the handler then
 * does nothing. Another transaction that handles the same event is waited for.
 */
export async function handleOnce(
  transaction: TransactionSql,
  consumer: string,
  eventId: string,
): Promise<boolean> {
  const recorded = await transaction`
    INSERT INTO handled_events (consumer, event_id) VALUES (${consumer}, ${eventId})
    ON CONFLICT DO NOTHING RETURNING 1`;
  return recorded.length === 1;
}

export interface OutboxRow extends StoredEvent {
  position: string;
}

/** The oldest rows, in order, as many as one publish takes. */
export async function readOutbox(sql: Database): Promise<OutboxRow[]> {
  const rows = await sql<{ position: string; id: string; subject: string; time: Date; json: string }[]>`
    SELECT position, id, subject, time, data AS json FROM (
      SELECT *, sum(octet_length(data)) OVER (ORDER BY position) - octet_length(data) AS before
      FROM (SELECT * FROM outbox ORDER BY position LIMIT ${BATCH_EVENTS_MAX}) AS oldest) AS summed
    WHERE before < ${BATCH_BYTES_MAX} ORDER BY position`;
  return rows.map((row) => ({ ...row, time: row.time.getTime() }));
}

/** Exactly these: a row of a lower position may commit at any moment. */
export async function deleteSent(sql: Database, rows: readonly OutboxRow[]): Promise<void> {
  await sql`DELETE FROM outbox WHERE position = ANY(${rows.map((row) => row.position)}::bigint[])`;
}

/** Forgets handled events that cannot be delivered again. */
export async function pruneHandled(sql: Database): Promise<void> {
  for (;;) {
    const { count } = await sql`
      DELETE FROM handled_events WHERE (consumer, event_id) IN (
        SELECT consumer, event_id FROM handled_events
        WHERE handled < now() - make_interval(secs => ${HANDLED_KEPT_MS / 1000}) LIMIT ${PRUNE_ROWS})`;
    if (count < PRUNE_ROWS) return;
  }
}
