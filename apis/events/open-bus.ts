// The one event bus of a process.
import { Bus } from "../../std/bus/bus.ts";
import { openNatsCarrier } from "../../std/bus/nats-carrier.ts";
import { openPostgresCarrier } from "../../std/bus/postgres-carrier.ts";
import type { Clock } from "../../std/clock.ts";
import { openDatabase } from "../../std/db/database.ts";
import type { Log } from "../../std/log.ts";
import type { Random } from "../../std/random.ts";

/** A PostgreSQL server, which gets the database `events` unless the URL names one, or a NATS server with JetStream. */
export type EventsPlace = { databaseUrl: string } | { natsUrl: string };

export interface OpenBus {
  bus: Bus;
  /** Stops consumers, tails and relays, then what carried them. */
  close(): Promise<void>;
}

/** Rejects where the server cannot be reached within 30 s. */
export async function openBus(
  { clock, random, log }: { clock: Clock; random: Random; log: Log },
  place: EventsPlace,
): Promise<OpenBus> {
  if ("natsUrl" in place) {
    const carrier = await openNatsCarrier({ url: place.natsUrl, log, clock });
    const bus = new Bus({ carrier, log, clock, random });
    return { bus, close: () => bus.close() };
  }
  const sql = await openDatabase(place.databaseUrl, "events", { log, clock });
  try {
    const bus = new Bus({ carrier: await openPostgresCarrier({ sql, log, clock }), log, clock, random });
    return {
      bus,
      async close() {
        await bus.close();
        await sql.end({ timeout: 1 });
      },
    };
  } catch (error) {
    await sql.end({ timeout: 1 });
    throw error;
  }
}
