import type { Clock } from "../../std/clock.ts";
import type { Database } from "../../std/db/database.ts";
import { migrate } from "../../std/db/migrate.ts";
import { ReadReplica } from "../../std/db/read-replica.ts";
import type { Log } from "../../std/log.ts";
import { Chain } from "./chain.ts";
import { Seal } from "./encoding.ts";
import { type AuditEvent, entryOf } from "./entry.ts";
import { MIGRATIONS } from "./migrations.ts";
import {
  type AuditEntry,
  type AuditFilter,
  type AuditPage,
  type PageOf,
  readAll,
  readPage,
} from "./reader.ts";
import { RefusalFolding } from "./refusal-folding.ts";
import { Retention } from "./retention.ts";
import { type Verdict, type VerifyOptions, verifyChain } from "./verify.ts";
import { Writer } from "./writer.ts";

export interface AuditOptions {
  /** The database `audit`, see openDatabase. It stays the caller's: close the service first. */
  sql: Database;
  /** A replica of it, for looking entries up and for exports: what came last may be missing there for a moment. */
  replica?: Database;
  /** Of the cluster: the chain's ends are sealed under it. Every process that appends has the same. */
  clusterSecret: string;
  /** Whether what is written to single objects is recorded; yes unless told otherwise. */
  objects?: boolean;
  clock: Clock;
  log: Log;
}

/** How long what waits may take to be written when the service is closed, ms. */
const CLOSE_WAIT_MS = 2_000;

/** Opens the audit log on its database: migrates it and makes the ends of an empty chain. Throws MigrationError. */
export async function createAudit(options: AuditOptions): Promise<AuditService> {
  const { sql, replica, clock, log } = options;
  await migrate(sql, MIGRATIONS, log);
  const chain = new Chain(sql, new Seal(options.clusterSecret));
  await chain.begin();
  const reads = new ReadReplica({ primary: sql, replica, clock, log });
  return new AuditService(chain, reads, clock, log, options.objects);
}

/** A place in the log for a change that is about to be made; see {@link AuditService.reserve}. */
export interface Reservation {
  /** Resolves with the sequence when the entry is durable; throws `audit_unavailable`, and it is tried on. */
  committed(event: AuditEvent): Promise<number>;
  /** Gives it back, where there is nothing to record. */
  release(): void;
}

export class AuditService {
  private readonly writer: Writer;
  private readonly folding: RefusalFolding;
  private readonly retention: Retention;

  constructor(
    private readonly chain: Chain,
    private readonly reads: ReadReplica,
    private readonly clock: Clock,
    log: Log,
    /** See {@link AuditOptions.objects}. */
    readonly recordsObjects = true,
  ) {
    this.writer = new Writer(chain, clock, log);
    this.folding = new RefusalFolding(clock, (entry) => this.writer.put(entry));
    this.retention = new Retention(chain, clock, log, (entry) => this.writer.put(entry));
    this.retention.start();
  }

  /**
   * Records without waiting: never throws. Floods are folded (refusal-folding.ts). Where there is no room, the entry is counted
   * and the count is written later. What was recorded in the last moments before a crash may be lost.
   */
  record(event: AuditEvent): void {
    this.folding.add(event);
  }

  /**
   * Records changes to objects, which may be thousands a second, each as an entry of its own. They are written in batches
   * beside the requests; what was recorded in the last moments before a crash may be lost. Where the database does not keep
   * up, whoever makes them is slowed down: then it resolves when there is room. While it is away, those beyond the queue are
   * counted, and the count is written later. Does nothing where objects are not recorded. Never throws.
   */
  recordObjects(events: readonly AuditEvent[]): Promise<void> | undefined {
    if (!this.recordsObjects) return undefined;
    const now = this.clock.now();
    return this.writer.putObjects(events.map((event) => entryOf(event, now)));
  }

  /** Entries that wait to be written, and events that were counted instead of kept, since the start. */
  get stats(): { waiting: number; lost: number } {
    return { waiting: this.writer.waiting, lost: this.writer.losses.total };
  }

  /**
   * Records and resolves with the entry's sequence when it is durable. Throws `audit_unavailable`: the caller must then not do
   * what it asked for. In that case the entry may still come into the log: it may tell more than was done, never less.
   */
  async committed(event: AuditEvent): Promise<number> {
    return this.reserve().committed(event);
  }

  /**
   * For a change whose outcome is not known yet: a place that is there whatever happens meanwhile. Throws `audit_unavailable`
   * before anything was changed. The caller must use or release it.
   */
  reserve(): Reservation {
    const place = this.writer.reserve();
    return {
      committed: (event) => place.committed(entryOf(event, this.clock.now())),
      release: () => place.release(),
    };
  }

  /** A page of the entries that match, newest first; with `after`, oldest first. */
  entries(filter: AuditFilter, page: PageOf): Promise<AuditPage> {
    return this.reads.read((sql) => readPage(sql, filter, page));
  }

  /** All that match, oldest first, in pages. */
  async *export(filter: AuditFilter): AsyncGenerator<AuditEntry[]> {
    yield* readAll(await this.reads.choose(), filter);
  }

  verify(options?: VerifyOptions): Promise<Verdict> {
    return verifyChain(this.chain, options);
  }

  /** Days for which entries are kept. Throws `audit_damaged` where the setting was changed by hand. */
  retentionDays(): Promise<number> {
    return this.retention.days();
  }

  /** `days` from 1 to DAYS_MAX. What is too old goes at the next daily look. */
  setRetentionDays(days: number): Promise<void> {
    return this.retention.setDays(days);
  }

  /** Removes now what is too old; resolves with how many entries. Runs by itself daily. */
  applyRetention(): Promise<number> {
    return this.retention.apply();
  }

  /** Writes what waits, and stops. */
  async close(): Promise<void> {
    await this.retention.close();
    this.folding.flush();
    await this.writer.close(CLOSE_WAIT_MS);
  }
}
