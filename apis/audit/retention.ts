// Removes what is older than it has to be kept: whole prefixes, checked first, a step at a time.
import type { Clock, Timer } from "../../std/clock.ts";
import type { Log } from "../../std/log.ts";
import type { Chain } from "./chain.ts";
import { NO_HASH, type Position } from "./encoding.ts";
import { type Entry, entryOf, SYSTEM } from "./entry.ts";
import { AuditError } from "./errors.ts";
import { walkPage } from "./verify.ts";

export const DAYS_DEFAULT = 365;
export const DAYS_MAX = 3_650;
const DAY_MS = 86_400_000;
/** A step locks the chain, and writers wait for it: well below a second. */
const STEP = 2_000;

export class Retention {
  private timer: Timer | undefined;
  private running: Promise<number> | undefined;
  private closed = false;

  /** `record` gets an entry about each removal. */
  constructor(
    private readonly chain: Chain,
    private readonly clock: Clock,
    private readonly log: Log,
    private readonly record: (entry: Entry) => void,
  ) {}

  /** Looks now, in the background, and then daily. */
  start(): void {
    this.apply().catch((error: Error) => {
      this.log.error("cannot apply the audit log's retention", { error: error.message });
    });
    this.timer = this.clock.after(DAY_MS, () => this.start());
  }

  async close(): Promise<void> {
    this.closed = true;
    this.timer?.cancel();
    await this.running?.catch(() => {});
  }

  /** Throws `audit_damaged` where the setting was changed in the database by hand. */
  async days(): Promise<number> {
    const [row] = await this.chain.sql<{ days: number; seal: Buffer }[]>`SELECT days, seal FROM retention`;
    if (!row) return DAYS_DEFAULT;
    if (this.chain.seal.holds(row.seal, "retention", sealedDays(row.days))) return row.days;
    throw new AuditError(
      "audit_damaged",
      "The audit log's retention was changed in the database itself; set it again: nothing is removed until then",
    );
  }

  async setDays(days: number): Promise<void> {
    const seal = this.chain.seal.of("retention", sealedDays(days));
    await this.chain.sql`
      INSERT INTO retention VALUES (true, ${days}, ${seal})
      ON CONFLICT (single) DO UPDATE SET days = excluded.days, seal = excluded.seal`;
  }

  /** Removes what is too old now; resolves with how many entries. Throws `audit_damaged` where they are not sound. */
  apply(): Promise<number> {
    this.running ??= this.removeOld().finally(() => {
      this.running = undefined;
    });
    return this.running;
  }

  private async removeOld(): Promise<number> {
    const oldestKept = this.clock.now() - (await this.days()) * DAY_MS;
    let [removed, through] = [0, 0];
    try {
      while (!this.closed) {
        const step = await this.removeStep(oldestKept);
        if (step === undefined) break;
        removed += step.count;
        through = step.through;
      }
    } finally {
      if (removed > 0) this.tell({ removed, through, olderThan: new Date(oldestKept).toISOString() });
    }
    return removed;
  }

  private tell(details: { removed: number; through: number; olderThan: string }): void {
    this.log.info("removed old audit entries", details);
    const event = {
      actor: SYSTEM,
      action: "audit:EntriesRemoved",
      resource: "",
      outcome: "allowed",
    } as const;
    this.record(entryOf({ ...event, details }, this.clock.now()));
  }

  private async removeStep(oldestKept: number): Promise<{ count: number; through: number } | undefined> {
    return this.chain.sql.begin(async (transaction) => {
      const { checkpoint } = await this.chain.lockedEnds(transaction);
      const [row] = await transaction<{ last: string | null }[]>`
        SELECT CASE WHEN min(sequence) FILTER (WHERE time_ms >= ${oldestKept}) IS NULL THEN max(sequence)
               ELSE min(sequence) FILTER (WHERE time_ms >= ${oldestKept}) - 1 END AS last
        FROM (SELECT sequence, time_ms FROM entries ORDER BY sequence LIMIT ${STEP}) AS oldest`;
      const last = Number(row!.last ?? 0);
      if (last <= checkpoint.sequence) return undefined;
      const walked = await walkPage(transaction, checkpoint, last);
      if ("broken" in walked) throw damaged(walked.broken);
      await this.moveCheckpoint(transaction, walked.at);
      await transaction`DELETE FROM entries WHERE sequence <= ${last}`;
      return { count: last - checkpoint.sequence, through: last };
    });
  }

  private async moveCheckpoint(transaction: Parameters<Chain["lockedEnds"]>[0], to: Position): Promise<void> {
    await transaction`
      UPDATE chain SET checkpoint_sequence = ${to.sequence}, checkpoint_hash = ${to.hash},
                       checkpoint_seal = ${this.chain.seal.of("checkpoint", to)}`;
  }
}

function damaged({ sequence, problem }: { sequence: number; problem: string }): AuditError {
  return new AuditError(
    "audit_damaged",
    `The audit log is damaged at entry ${sequence} (${problem}): nothing is removed from it`,
  );
}

function sealedDays(days: number): Position {
  return { sequence: days, hash: NO_HASH };
}
