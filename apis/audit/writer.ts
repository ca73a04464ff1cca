// Takes entries in and brings them to the chain in batches: while one batch commits, the next one gathers.
import { type Clock, delay } from "../../std/clock.ts";
import type { Log } from "../../std/log.ts";
import type { Attempt, Chain } from "./chain.ts";
import { type Entry, entryOf, SYSTEM } from "./entry.ts";
import { unavailable } from "./errors.ts";

/** Entries that wait, or have a place reserved: about 10 MB. */
export const QUEUE_MAX = 10_000;
/** Of these, such that nobody waits for: refusals alone cannot stop changes. */
export const UNAWAITED_MAX = 5_000;
const BATCH_MAX = 1_000;
/** Whoever waits for an entry is refused after this; a batch that takes longer means that the database is away. */
const COMMIT_WAIT_MS = 5_000;
const RETRY_FIRST_MS = 200;
const RETRY_MAX_MS = 5_000;

interface Queued {
  entry: Entry;
  awaited: boolean;
  /** Called once: when it is durable, or when whoever waits is to wait no more. */
  settled?: PromiseWithResolvers<number>;
}

interface Lost {
  count: number;
  firstAt: number;
  lastAt: number;
}

/** A place in the queue that nobody can take away: for a change that is about to be made. */
export interface Place {
  /** Resolves with the entry's sequence once it is durable; throws `audit_unavailable`, and it is tried on. */
  committed(entry: Entry): Promise<number>;
  /** Gives the place back, where there is nothing to record. Does nothing after {@link committed}. */
  release(): void;
}

export class Writer {
  private queue: Queued[] = [];
  /** Taken from the queue and not durable yet; tried again as they are. */
  private batch: Queued[] = [];
  private batchSince: number | undefined;
  private attempt: Attempt | undefined;
  private reserved = 0;
  private unawaited = 0;
  private lost: Lost | undefined;
  private away = false;
  private draining: Promise<void> | undefined;
  private closed = false;

  constructor(
    private readonly chain: Pick<Chain, "append">,
    private readonly clock: Clock,
    private readonly log: Log,
  ) {}

  /** Takes an entry that nobody waits for; counts it as lost where there is no room. */
  put(entry: Entry): void {
    if (this.closed || this.unawaited >= UNAWAITED_MAX || this.taken() >= QUEUE_MAX) {
      this.lost ??= { count: 0, firstAt: entry.time, lastAt: entry.time };
      this.lost.count += entry.count;
      this.lost.lastAt = entry.time;
      return;
    }
    this.unawaited++;
    this.push({ entry, awaited: false });
  }

  /** Throws `audit_unavailable` where an entry could not be made durable now. */
  reserve(): Place {
    if (this.closed) throw unavailable("The audit log is closed");
    if (this.isAway()) throw unavailable("The audit log's database cannot be reached");
    if (this.taken() >= QUEUE_MAX) throw unavailable("The audit log's queue is full");
    this.reserved++;
    let held = true;
    const release = () => {
      if (held) this.reserved--;
      held = false;
    };
    return {
      release,
      committed: (entry) => {
        release();
        const settled = Promise.withResolvers<number>();
        this.push({ entry, awaited: true, settled });
        const timer = this.clock.after(COMMIT_WAIT_MS, () =>
          settled.reject(unavailable("The audit log's database does not answer")),
        );
        return settled.promise.finally(() => timer.cancel());
      },
    };
  }

  /** Writes what waits, for `waitMs` at most, and takes no more. */
  async close(waitMs: number): Promise<void> {
    this.closed = true;
    await Promise.race([this.draining, delay(this.clock, waitMs)]);
    const left = this.queue.length + this.batch.length + (this.lost?.count ?? 0);
    this.queue = [];
    if (left > 0)
      this.log.error("audit entries are lost: the database was away at the end", { entries: left });
  }

  private taken(): number {
    return this.queue.length + this.batch.length + this.reserved;
  }

  private isAway(): boolean {
    const since = this.batchSince;
    return this.away || (since !== undefined && this.clock.monotonic() - since > COMMIT_WAIT_MS);
  }

  private push(queued: Queued): void {
    this.queue.push(queued);
    this.draining ??= this.drain().finally(() => {
      this.draining = undefined;
    });
  }

  private async drain(): Promise<void> {
    let retryMs = RETRY_FIRST_MS;
    while (this.takeBatch()) {
      try {
        await this.writeBatch();
        retryMs = RETRY_FIRST_MS;
      } catch (error) {
        this.failed(error as Error);
        if (this.closed) return;
        await delay(this.clock, retryMs);
        retryMs = Math.min(retryMs * 2, RETRY_MAX_MS);
      }
    }
  }

  /** False when there is nothing to write. What was lost comes first, as soon as there is room again. */
  private takeBatch(): boolean {
    if (this.batch.length > 0) return true;
    this.batch = this.queue.splice(0, BATCH_MAX);
    if (this.lost && !this.away) {
      this.batch.unshift({ entry: lostEntry(this.lost), awaited: true });
      this.lost = undefined;
    }
    return this.batch.length > 0;
  }

  private async writeBatch(): Promise<void> {
    this.batchSince = this.clock.monotonic();
    const entries = this.batch.map(({ entry }) => entry);
    const first = await this.chain.append(entries, this.attempt, (attempt) => {
      this.attempt = attempt;
    });
    if (this.away) this.log.info("the audit database is back", { lost: this.lost?.count ?? 0 });
    this.away = false;
    const written = this.batch;
    this.batch = [];
    this.batchSince = undefined;
    this.attempt = undefined;
    for (const [index, { settled, awaited }] of written.entries()) {
      if (!awaited) this.unawaited--;
      settled?.resolve(first + index);
    }
  }

  private failed(error: Error): void {
    if (!this.away) this.log.error("cannot write the audit log; trying again", { error: error.message });
    this.away = true;
    this.batchSince = undefined;
    for (const { settled } of [...this.batch, ...this.queue]) {
      settled?.reject(unavailable("The audit log's database cannot be reached", error));
    }
  }
}

function lostEntry({ count, firstAt, lastAt }: Lost): Entry {
  const [first, last] = [firstAt, lastAt].map((ms) => new Date(ms).toISOString());
  return entryOf(
    {
      actor: SYSTEM,
      action: "audit:EntriesLost",
      resource: "",
      outcome: "failed",
      code: "queue_full",
      details: { lost: count, first: first!, last: last! },
    },
    lastAt,
    count,
  );
}
