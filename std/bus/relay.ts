// Moves the rows of one database's outbox to the carrier. One process at a time does it.
import type { Clock } from "../clock.ts";
import type { Database } from "../db/database.ts";
import type { Log } from "../log.ts";
import { AdvisoryLocks } from "./advisory-locks.ts";
import type { Carrier } from "./carrier.ts";
import { Channel } from "./channel.ts";
import { deleteSent, OUTBOX_CHANNEL, pruneHandled, readOutbox } from "./outbox.ts";
import { pause } from "./waiting.ts";

/** For a notification that was lost with its connection. */
const POLL_MS = 2_000;
const RETRY_FIRST_MS = 100;
const RETRY_MAX_MS = 5_000;
const PRUNE_MS = 3_600_000;

export interface Relay {
  /** Ends after the batch that is under way. */
  stop(): Promise<void>;
}

export class OutboxRelay implements Relay {
  private readonly stopping = new AbortController();
  private readonly channel: Channel;
  private readonly locks: AdvisoryLocks;
  private running: Promise<void> = Promise.resolve();
  private prunedAt = Number.NEGATIVE_INFINITY;

  constructor(
    private readonly sql: Database,
    private readonly carrier: Carrier,
    private readonly clock: Clock,
    private readonly log: Log,
  ) {
    this.channel = new Channel(sql, OUTBOX_CHANNEL);
    this.locks = new AdvisoryLocks(sql, clock, log);
  }

  /** Resolves when it listens; rejects where the database cannot be reached. */
  async start(): Promise<void> {
    await this.channel.open();
    this.running = this.run();
  }

  async stop(): Promise<void> {
    this.stopping.abort();
    await this.running;
    await this.locks.close();
    await this.channel.close();
  }

  private async run(): Promise<void> {
    for (;;) {
      const hold = await this.locks.hold("bus:relay", this.stopping.signal);
      if (!hold) return;
      await this.relay(AbortSignal.any([this.stopping.signal, hold.lost]));
      await hold.release();
    }
  }

  private async relay(signal: AbortSignal): Promise<void> {
    const { wake } = this.channel;
    let retryMs = RETRY_FIRST_MS;
    let told = true;
    while (!signal.aborted) {
      const { count } = wake;
      try {
        const moved = await this.moveBatch();
        retryMs = RETRY_FIRST_MS;
        if (moved > 0 && !told) this.channel.renew();
        told = true;
        if (moved > 0) continue;
        await this.prune();
        await wake.wait(this.clock, count, POLL_MS, signal);
        told = count !== wake.count;
      } catch (error) {
        this.log.warn("cannot move events to the carrier; trying again", { error: (error as Error).message });
        await pause(this.clock, retryMs, signal);
        retryMs = Math.min(2 * retryMs, RETRY_MAX_MS);
      }
    }
  }

  /** How many it moved. */
  private async moveBatch(): Promise<number> {
    const rows = await readOutbox(this.sql);
    if (rows.length === 0) return 0;
    const messages = rows.map(({ position: _, ...event }) => ({ messageId: event.id, event }));
    await this.carrier.publish(messages);
    await deleteSent(this.sql, rows);
    return rows.length;
  }

  private async prune(): Promise<void> {
    if (this.clock.monotonic() - this.prunedAt < PRUNE_MS) return;
    this.prunedAt = this.clock.monotonic();
    await pruneHandled(this.sql);
  }
}
