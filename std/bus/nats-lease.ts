// The right to work a consumer: a message that the server forgets after LEASE_MS unless its owner writes it again. A state that is
// saved by who lost the lease without noticing is refused by its revision.
import { JetStreamApiError, type JetStreamClient, type JetStreamManager } from "@nats-io/jetstream";
import type { Clock } from "../clock.ts";
import type { Log } from "../log.ts";
import type { Hold } from "./carrier.ts";
import { LEASE_MS, LEASE_SUBJECT, LEASES_STREAM } from "./nats-streams.ts";
import { pause } from "./waiting.ts";

const WRONG_LAST_SEQUENCE = 10_071;
const RENEW_MS = LEASE_MS / 3;
/** How often a lease that another process has is asked for. */
const RETRY_MS = 500;

export function isWrongLastSequence(error: unknown): boolean {
  return error instanceof JetStreamApiError && error.code === WRONG_LAST_SEQUENCE;
}

/** Waits for the lease of `consumer`; undefined when `signal` is aborted first. */
export async function holdLease(
  client: JetStreamClient,
  manager: JetStreamManager,
  consumer: string,
  { clock, log, signal }: { clock: Clock; log: Log; signal: AbortSignal },
): Promise<Hold | undefined> {
  const subject = LEASE_SUBJECT + consumer;
  while (!signal.aborted) {
    try {
      const { seq } = await client.publish(subject, "", { expect: { lastSubjectSequence: 0 } });
      return new Lease(client, manager, subject, seq, clock);
    } catch (error) {
      if (!isWrongLastSequence(error)) {
        log.warn("cannot ask for a lease; trying again", { consumer, error: (error as Error).message });
      }
    }
    await pause(clock, RETRY_MS, signal);
  }
  return undefined;
}

class Lease implements Hold {
  private readonly ended = new AbortController();
  private readonly releasing = new AbortController();
  private readonly renewing: Promise<void>;
  readonly lost = this.ended.signal;

  constructor(
    private readonly client: JetStreamClient,
    private readonly manager: JetStreamManager,
    private readonly subject: string,
    private sequence: number,
    private readonly clock: Clock,
  ) {
    this.renewing = this.renew();
  }

  async release(): Promise<void> {
    this.releasing.abort();
    await this.renewing;
    // Ours only: by sequence. Where that fails, the server forgets it soon.
    await this.manager.streams.deleteMessage(LEASES_STREAM, this.sequence).catch(() => {});
  }

  private async renew(): Promise<void> {
    let renewedAt = this.clock.monotonic();
    for (;;) {
      await pause(this.clock, RENEW_MS, this.releasing.signal);
      if (this.releasing.signal.aborted) return;
      const askedAt = this.clock.monotonic();
      try {
        const expect = { lastSubjectSequence: this.sequence };
        this.sequence = (await this.client.publish(this.subject, "", { expect, timeout: RENEW_MS })).seq;
        renewedAt = askedAt;
      } catch (error) {
        if (!isWrongLastSequence(error) && this.clock.monotonic() - renewedAt < LEASE_MS) continue;
        this.ended.abort();
        return;
      }
    }
  }
}
