// Keeps the local copies of all processes in step with the database:
// - a write names what it changed; PostgreSQL tells every listening process when it commits (NOTIFY);
// - each process reads the changed rows again, one pass at a time, so that no older read overwrites a newer one;
// - a write returns only when a pass that began after its commit is done: its own process never answers from before it;
// - the events of a write go into the outbox in its transaction;
// - after a lost connection, and every REFRESH_MS, everything is read again;
// - every BEAT_MS each process tells itself something: once it hears that, it has heard all that was told before. Without
//   any such proof for STALE_MS, the copy no longer counts as fresh.

import { Channel } from "../../std/bus/channel.ts";
import { Outbox } from "../../std/bus/outbox.ts";
import { type Clock, delay, type Timer } from "../../std/clock.ts";
import type { Database } from "../../std/db/database.ts";
import type { Log } from "../../std/log.ts";
import type { Random } from "../../std/random.ts";
import type { Freshness } from "./access/access.ts";
import { readAccess } from "./access/rows.ts";
import { eventsOf, type Told } from "./change-events.ts";
import { type Change, idsOf, type Transaction } from "./changes.ts";
import type { AccessKeyRow, LocalCopy, Rows, SessionRow, UserRow } from "./local-copy.ts";

export type { Change, Transaction } from "./changes.ts";

const CHANNEL = "auth_changes";
const ORIGIN_BYTES = 8;
const REFRESH_MS = 60_000;
const RETRY_MS = 500;
export const BEAT_MS = 2_000;
/** Without a beat for so long, it is listened anew. */
const DEAF_MS = 2.5 * BEAT_MS;
/** For so long a change may stay unseen here; then nothing is decided by the copy. */
export const STALE_MS = 10_000;
/** A request that finds the copy stale waits so long for it to be read again. */
const REFRESH_WAIT_MS = 2_000;
const BEAT = "beat:";
/** More than this waiting at once: reading everything is cheaper. */
const PENDING_MAX = 1_000;

export class ChangeFeed implements Freshness {
  /** Tells our own notifications from those of other processes. */
  private readonly origin: string;
  private pending = new Set<Change>();
  private everything = true;
  private pass: Promise<void> | undefined;
  private nextPass: Promise<void> | undefined;
  private refreshTimer: Timer | undefined;
  private beatTimer: Timer | undefined;
  /** Monotonic ms: all that was committed before then is in the copy. */
  private confirmedAt = Number.NEGATIVE_INFINITY;
  private refreshing: Promise<void> | undefined;
  /** Monotonic ms of the last attempt: a database that is away is not asked with each request. */
  private refreshedAt = Number.NEGATIVE_INFINITY;
  private readonly channel: Channel;
  private readonly outbox: Outbox;
  /** Monotonic ms of the last beat that was heard, or since when one should have been. */
  private heardAt = Number.NEGATIVE_INFINITY;
  private closed = false;

  constructor(
    private readonly sql: Database,
    private readonly copy: LocalCopy,
    private readonly clock: Clock,
    random: Random,
    private readonly log: Log,
  ) {
    this.origin = random.bytes(ORIGIN_BYTES).toString("hex");
    this.outbox = new Outbox(clock);
    this.channel = new Channel(sql, CHANNEL, {
      heard: (payload) => this.heard(payload),
      // Notifications may have been missed before it.
      listening: () => this.inBackground("everything"),
    });
  }

  /** Listens, then reads everything. */
  async start(): Promise<void> {
    await this.channel.open();
    this.heardAt = this.clock.monotonic();
    await this.apply("everything");
    this.scheduleRefresh();
    this.scheduleBeat();
  }

  /** A notification is `ORIGIN CHANGE` or `ORIGIN beat:TIME`; our own changes are applied by {@link write}. */
  private heard(payload: string): void {
    const [origin, change = ""] = payload.split(" ");
    const beat = change.startsWith(BEAT);
    if (origin === this.origin && beat) {
      this.heardAt = this.clock.monotonic();
      void this.confirm(Number(change.slice(BEAT.length)));
    } else if (origin !== this.origin && !beat) this.inBackground([change as Change]);
  }

  /** What was heard before the beat of `sentAt` may still be on its way into the copy. */
  private async confirm(sentAt: number): Promise<void> {
    try {
      if (this.everything || this.pending.size > 0) await this.apply([]);
      else await this.pass;
      this.confirmedAt = Math.max(this.confirmedAt, sentAt);
    } catch {
      // Not confirmed; whoever reads the changes tells why.
    }
  }

  isFresh(): boolean {
    return this.clock.monotonic() - this.confirmedAt <= STALE_MS;
  }

  /** Reads everything, for all who ask at the same time; resolves after {@link REFRESH_WAIT_MS} in any case. */
  async refresh(): Promise<void> {
    const now = this.clock.monotonic();
    if (this.refreshing === undefined && now - this.refreshedAt < RETRY_MS) return;
    if (this.refreshing === undefined) this.refreshedAt = now;
    this.refreshing ??= this.readInTime().finally(() => {
      this.refreshing = undefined;
    });
    await this.refreshing;
  }

  private async readInTime(): Promise<void> {
    const late = Promise.withResolvers<void>();
    const timer = this.clock.after(REFRESH_WAIT_MS, late.resolve);
    await Promise.race([this.apply("everything").catch(() => {}), late.promise]);
    timer.cancel();
  }

  async close(): Promise<void> {
    this.closed = true;
    this.refreshTimer?.cancel();
    this.beatTimer?.cancel();
    await this.channel.close();
    await this.pass?.catch(() => {});
  }

  /**
   * Runs `work` in a transaction. It calls `changed` for every row that the local copies hold; the events that follow from it are
   * sent with the transaction. Resolves when that is durable and this process's copy has it.
   */
  async write<T>(
    work: (transaction: Transaction, changed: (change: Change, told?: Told) => void) => Promise<T>,
  ): Promise<T> {
    const told = new Map<Change, Told | undefined>();
    let changes: Change[] = [];
    const result = await this.sql.begin(async (transaction) => {
      const value = await work(transaction, (change, more) => told.set(change, more ?? told.get(change)));
      changes = [...told.keys()].filter((change) => !change.startsWith("identity:"));
      const payloads = changes.map((change) => `${this.origin} ${change}`);
      const [events] = await Promise.all([
        eventsOf(transaction, told),
        transaction`SELECT pg_notify(${CHANNEL}, payload) FROM unnest(${payloads}::text[]) AS payload`,
      ]);
      await this.outbox.add(transaction, events);
      return { value };
    });
    await this.applyCommitted(changes);
    return result.value;
  }

  /** The database has them whatever happens now; should reading them fail, it is tried on behind the caller's error. */
  private async applyCommitted(changes: readonly Change[]): Promise<void> {
    try {
      await this.apply(changes);
    } catch (error) {
      this.inBackground(changes);
      throw error;
    }
  }

  /** Resolves when this process's copy has `changes` as they are in the database now. */
  async apply(changes: readonly Change[] | "everything"): Promise<void> {
    this.note(changes);
    if (!this.everything && this.pending.size === 0) return;
    // A running pass may have read before the change: wait for the one after it.
    this.nextPass ??= this.runNextPass();
    await this.nextPass;
  }

  private note(changes: readonly Change[] | "everything"): void {
    if (changes === "everything") this.everything = true;
    else for (const change of changes) this.pending.add(change);
    if (this.pending.size > PENDING_MAX) this.everything = true;
    if (this.everything) this.pending.clear();
  }

  private async runNextPass(): Promise<void> {
    await this.pass?.catch(() => {});
    this.pass = this.nextPass;
    this.nextPass = undefined;
    await this.readPending();
  }

  private async readPending(): Promise<void> {
    const [changes, everything] = [this.pending, this.everything];
    this.pending = new Set();
    this.everything = false;
    try {
      const startedAt = this.clock.monotonic();
      if (everything) {
        this.copy.replaceAll(await this.readAll());
        this.confirmedAt = Math.max(this.confirmedAt, startedAt);
      } else await this.readSome(changes);
    } catch (error) {
      this.note(everything ? "everything" : [...changes]);
      throw error;
    }
  }

  private async readAll(): Promise<Rows> {
    return this.sql.begin("ISOLATION LEVEL REPEATABLE READ READ ONLY", async (read) => ({
      users: [...(await read<UserRow[]>`SELECT ${userColumns(read)} FROM users`)],
      accessKeys: [...(await read<AccessKeyRow[]>`SELECT ${keyColumns(read)} FROM access_keys`)],
      sessions: [...(await read<SessionRow[]>`SELECT id, user_id AS "userId", expires FROM sessions`)],
      ...(await readAccess(read)),
    }));
  }

  private async readSome(changes: ReadonlySet<Change>): Promise<void> {
    const { sql } = this;
    const ids = {
      users: idsOf("user", changes),
      accessKeys: idsOf("key", changes),
      sessions: idsOf("session", changes),
      groups: idsOf("group", changes),
      roles: idsOf("role", changes),
      serviceAccounts: idsOf("service", changes),
      tokens: idsOf("token", changes),
    };
    const [users, accessKeys, sessions, access] = await Promise.all([
      ids.users.length === 0
        ? []
        : sql<UserRow[]>`SELECT ${userColumns(sql)} FROM users WHERE id = ANY(${ids.users})`,
      ids.accessKeys.length === 0
        ? []
        : sql<AccessKeyRow[]>`
            SELECT ${keyColumns(sql)} FROM access_keys WHERE access_key_id = ANY(${ids.accessKeys})`,
      ids.sessions.length === 0
        ? []
        : sql<SessionRow[]>`
            SELECT id, user_id AS "userId", expires FROM sessions WHERE id = ANY(${ids.sessions})`,
      readAccess(sql, ids),
    ]);
    this.copy.replaceSome(ids, {
      users: [...users],
      accessKeys: [...accessKeys],
      sessions: [...sessions],
      ...access,
    });
  }

  /** For changes that nobody waits for: tried until the database answers. */
  private inBackground(changes: readonly Change[] | "everything"): void {
    void this.applyWithRetry(changes);
  }

  private async applyWithRetry(changes: readonly Change[] | "everything"): Promise<void> {
    while (!this.closed) {
      try {
        return await this.apply(changes);
      } catch (error) {
        if (this.closed) return;
        this.log.warn("cannot read changes from the auth database; trying again", {
          error: (error as Error).message,
        });
        await delay(this.clock, RETRY_MS);
      }
    }
  }

  private scheduleBeat(): void {
    this.beatTimer = this.clock.after(BEAT_MS, () => {
      if (this.closed) return;
      // One that is not heard confirms nothing: that is its point.
      const payload = `${this.origin} ${BEAT}${this.clock.monotonic()}`;
      this.sql`SELECT pg_notify(${CHANNEL}, ${payload})`.catch(() => {});
      this.renewIfDeaf();
      this.scheduleBeat();
    });
  }

  /** The driver does not always listen again after a lost connection; what is told meanwhile is read when it does. */
  private renewIfDeaf(): void {
    const now = this.clock.monotonic();
    if (now - this.heardAt < DEAF_MS) return;
    this.heardAt = now;
    this.channel.renew();
  }

  private scheduleRefresh(): void {
    this.refreshTimer = this.clock.after(REFRESH_MS, () => {
      if (this.closed) return;
      this.inBackground("everything");
      this.scheduleRefresh();
    });
  }
}

function userColumns(sql: Database | Transaction) {
  return sql`
    id, name, disabled, boundary, ARRAY(SELECT role FROM role_attachments WHERE user_id = users.id) AS roles`;
}

function keyColumns(sql: Database | Transaction) {
  return sql`
    access_key_id AS "accessKeyId", user_id AS "userId", service_account_id AS "serviceAccountId",
    token_id AS "parentId", scopes, sealed, disabled`;
}
