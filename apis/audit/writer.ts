// Takes entries in and brings them to the chain in batches: while one batch commits, the next one gathers.
import { type Clock, delay } from "../../std/clock.ts";
import type { Log } from "../../std/log.ts";
import type { Attempt, Chain } from "./chain.ts";
import type { Entry } from "./entry.ts";
import { unavailable } from "./errors.ts";
import { Losses } from "./losses.ts";

/** Entries that wait, or have a place reserved: about 10 MB. */
export const QUEUE_MAX = 10_000;
/** Of these, such that nobody waits for: refusals alone cannot stop changes. */
export const UNAWAITED_MAX = 5_000;
/** Changes to objects that wait, besides: about 20 MB. Whoever makes more is slowed down. */
export const OBJECTS_MAX = 20_000;
const BATCH_MAX = 1_000;
/** So long changes to objects gather, or until there are so many: a transaction costs as much as some hundred entries. */
export const GATHER_MS = 1_000;
export const GATHERED_MAX = 500;
/** Whoever waits for an entry is refused after this; a batch that takes longer means that the database is away. */
const COMMIT_WAIT_MS = 5_000;
const RETRY_FIRST_MS = 200;
const RETRY_MAX_MS = 5_000;

interface Queued {
  entry: Entry;
  /** It counts towards {@link UNAWAITED_MAX}. */
  unawaited?: true;
  /** Called once: when it is durable, or when whoever waits is to wait no more. */
  settled?: PromiseWithResolvers<number>;
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
  /** Behind the queue, so that no number of them holds up whoever waits. */
  private objects: Queued[] = [];
  /** Taken from the queue and not durable yet; tried again as they are. */
  private batch: Queued[] = [];
  private batchSince: number | undefined;
  private attempt: Attempt | undefined;
  private reserved = 0;
  private unawaited = 0;
  readonly losses = new Losses();
  private away = false;
  private draining: Promise<void> | undefined;
  /** Ends the gathering. */
  private hurry: (() => void) | undefined;
  /** Of those who wait for room among the objects. */
  private room: PromiseWithResolvers<void> | undefined;
  private closed = false;

  constructor(
    private readonly chain: Pick<Chain, "append">,
    private readonly clock: Clock,
    private readonly log: Log,
  ) {}

  /** Takes an entry that nobody waits for; counts it as lost where there is no room. */
  put(entry: Entry): void {
    if (this.closed || this.unawaited >= UNAWAITED_MAX || this.taken() >= QUEUE_MAX) {
      this.losses.add(entry);
      return;
    }
    this.unawaited++;
    this.queue.push({ entry, unawaited: true });
    this.write();
  }

  /**
   * Takes what was changed in one request, at once where there is room, or where waiting is of no use because the database
   * is away. Else resolves when it is taken, after {@link COMMIT_WAIT_MS} at most. What has no room then is counted as lost.
   */
  putObjects(entries: readonly Entry[]): Promise<void> | undefined {
    if (this.hasRoom() || this.isAway() || this.closed) return this.takeObjects(entries);
    return this.roomFor(entries);
  }

  private async roomFor(entries: readonly Entry[]): Promise<void> {
    const late = Promise.withResolvers<void>();
    let isLate = false;
    const timer = this.clock.after(COMMIT_WAIT_MS, () => {
      isLate = true;
      late.resolve();
    });
    while (!isLate && !this.hasRoom() && !this.away && !this.closed) {
      this.room ??= Promise.withResolvers();
      await Promise.race([this.room.promise, late.promise]);
    }
    timer.cancel();
    this.takeObjects(entries);
  }

  /** One request's entries stay together: they may go beyond the limit by what it may name, less one. */
  private takeObjects(entries: readonly Entry[]): undefined {
    if (this.closed || !this.hasRoom()) for (const entry of entries) this.losses.add(entry);
    else {
      for (const entry of entries) this.objects.push({ entry });
      this.write();
    }
  }

  private hasRoom(): boolean {
    return this.objects.length < OBJECTS_MAX;
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
        this.queue.push({ entry, settled });
        this.write();
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
    this.hurry?.();
    this.makeRoom();
    await Promise.race([this.draining, delay(this.clock, waitMs)]);
    const left = this.waiting + this.losses.untold;
    this.queue = [];
    this.objects = [];
    if (left > 0)
      this.log.error("audit entries are lost: the database was away at the end", { entries: left });
  }

  /** Entries that are not durable yet. */
  get waiting(): number {
    return this.queue.length + this.objects.length + this.batch.length;
  }

  private taken(): number {
    return this.queue.length + this.batch.length + this.reserved;
  }

  private isAway(): boolean {
    const since = this.batchSince;
    return this.away || (since !== undefined && this.clock.monotonic() - since > COMMIT_WAIT_MS);
  }

  /** Sees to it that what waits is written, without gathering where that is due now. */
  private write(): void {
    this.draining ??= this.drain();
    if (this.isDue()) this.hurry?.();
  }

  private isDue(): boolean {
    return (
      this.closed || this.queue.length > 0 || this.batch.length > 0 || this.objects.length >= GATHERED_MAX
    );
  }

  private async drain(): Promise<void> {
    let retryMs = RETRY_FIRST_MS;
    for (;;) {
      if (this.objects.length > 0 && !this.isDue()) await this.gather();
      if (!this.takeBatch()) break;
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
    // Before anything else runs, which could find it still draining and leave an entry to nobody.
    this.draining = undefined;
  }

  private async gather(): Promise<void> {
    const gathered = Promise.withResolvers<void>();
    const timer = this.clock.after(GATHER_MS, gathered.resolve);
    this.hurry = gathered.resolve;
    await gathered.promise;
    this.hurry = undefined;
    timer.cancel();
  }

  private makeRoom(): void {
    this.room?.resolve();
    this.room = undefined;
  }

  /** False when there is nothing to write. What was lost comes first, as soon as there is room again. */
  private takeBatch(): boolean {
    if (this.batch.length > 0) return true;
    this.batch = this.queue.splice(0, BATCH_MAX);
    this.batch.push(...this.objects.splice(0, BATCH_MAX - this.batch.length));
    const lost = this.away ? undefined : this.losses.told();
    if (lost) this.batch.unshift({ entry: lost });
    this.makeRoom();
    return this.batch.length > 0;
  }

  private async writeBatch(): Promise<void> {
    this.batchSince = this.clock.monotonic();
    const entries = this.batch.map(({ entry }) => entry);
    const first = await this.chain.append(entries, this.attempt, (attempt) => {
      this.attempt = attempt;
    });
    if (this.away) this.log.info("the audit database is back", { lost: this.losses.untold });
    this.away = false;
    const written = this.batch;
    this.batch = [];
    this.batchSince = undefined;
    this.attempt = undefined;
    for (const [index, { settled, unawaited }] of written.entries()) {
      if (unawaited) this.unawaited--;
      settled?.resolve(first + index);
    }
  }

  private failed(error: Error): void {
    if (!this.away) this.log.error("cannot write the audit log; trying again", { error: error.message });
    this.away = true;
    this.batchSince = undefined;
    this.makeRoom();
    for (const { settled } of [...this.batch, ...this.queue]) {
      settled?.reject(unavailable("The audit log's database cannot be reached", error));
    }
  }
}
