import type { Migration } from "../db/migrate.ts";

/** The schema of the database `events`; FORMAT.md says what the columns mean. */
export const EVENTS_MIGRATIONS: readonly Migration[] = [
  {
    name: "stream, consumers, dead letters",
    up: `
      CREATE TABLE head (
        single boolean PRIMARY KEY DEFAULT true CHECK (single),
        last bigint NOT NULL,
        bytes bigint NOT NULL
      ) WITH (fillfactor = 10);
      INSERT INTO head (last, bytes) VALUES (0, 0);

      CREATE TABLE stream (
        sequence bigint PRIMARY KEY,
        message_id text NOT NULL UNIQUE,
        event_id uuid NOT NULL,
        subject text COLLATE "C" NOT NULL,
        time timestamptz NOT NULL,
        data text NOT NULL,
        consumer text,
        recorded timestamptz NOT NULL DEFAULT now(),
        bytes bigint NOT NULL
      );

      -- Its statements each see what was committed when they begin: the second, whatever the first has waited for.
      CREATE FUNCTION publish(
        message_ids text[], event_ids uuid[], subjects text[], times timestamptz[], datas text[], consumers text[]
      ) RETURNS void LANGUAGE plpgsql AS $$
      BEGIN
        PERFORM FROM head FOR UPDATE;
        WITH fresh AS (
          SELECT new.*, row_number() OVER (ORDER BY place) AS number,
                 sum(octet_length(new.subject) + octet_length(new.data)) OVER (ORDER BY place) AS size
          FROM unnest(message_ids, event_ids, subjects, times, datas, consumers)
               WITH ORDINALITY AS new (message_id, event_id, subject, time, data, consumer, place)
          WHERE NOT EXISTS (SELECT FROM stream WHERE stream.message_id = new.message_id)
        ), added AS (
          INSERT INTO stream (sequence, message_id, event_id, subject, time, data, consumer, bytes)
          SELECT head.last + number, message_id, event_id, subject, time, data, consumer, head.bytes + size
          FROM fresh, head RETURNING stream.sequence, stream.bytes
        )
        UPDATE head SET last = newest.sequence, bytes = newest.bytes
        FROM (SELECT max(added.sequence) AS sequence, max(added.bytes) AS bytes FROM added) AS newest
        WHERE newest.sequence IS NOT NULL;
        IF FOUND THEN PERFORM pg_notify('bus_events', ''); END IF;
      END $$;

      CREATE TABLE consumers (
        name text PRIMARY KEY,
        revision bigint NOT NULL,
        state text NOT NULL
      ) WITH (fillfactor = 10);

      CREATE TABLE dead_letters (
        consumer text NOT NULL,
        event_id uuid NOT NULL,
        letter text NOT NULL,
        PRIMARY KEY (consumer, event_id)
      );`,
  },
];
