// Journal and catalog as one: commands are taken in batches, applied, made durable together, then answered.
//
// Invariants
//  M1 nobody is told of a command's outcome, and no read shows it, before the journal has it on disk
//  M2 SQLite commits only what the journal has on disk, together with its sequence
//  M3 a segment is dropped only when the catalog file holds its commands durably
//  M4 a refused command leaves no trace: neither in the catalog nor in the journal
import { ProtocolError } from "../../chunkd/protocol/errors.ts";
import { assert } from "../../std/assert.ts";
import type { Clock, Timer } from "../../std/clock.ts";
import { Histogram } from "../../std/histogram.ts";
import type { Log } from "../../std/log.ts";
import { apply } from "../catalog/apply.ts";
import type { Catalog } from "../catalog/catalog.ts";
import {
  type Command,
  type CommandOf,
  type CommandResults,
  type CommandType,
  changedNames,
  TAKEN_WHEN_FULL,
} from "../catalog/commands.ts";
import { pack } from "../catalog/packing.ts";
import type { CatalogSnapshot } from "../catalog/wal-file.ts";
import type { Journal } from "../journal/journal.ts";
import { MasterError } from "./errors.ts";
import type { SpaceGuard } from "./space.ts";

/** A batch is cut here: its commands wait for each other, and it is one record of the journal. */
const BATCH_COMMANDS_MAX = 1024;
const BATCH_BYTES_MAX = 8 << 20;
/** Commands waiting for their batch; more are refused, so that an overload stays bounded. */
const QUEUE_COMMANDS_MAX = 16_384;
/** SQLite commits after so many commands or so long, whichever comes first: that is what a start replays at most. */
const COMMIT_COMMANDS_MAX = 256;
const COMMIT_AFTER_MS = 500;
/** On a full disk commits wait, because one that fails is rolled back: so many changes stay in SQLite's memory. */
const UNCOMMITTED_MAX = 50_000;
/** Closed journal segments that are worth a checkpoint. */
const CLOSED_SEGMENTS_MAX = 1;

interface Waiting {
  command: Command;
  resolve(result: CommandResults[CommandType]): void;
  reject(error: Error): void;
}

interface Applied {
  waiting: Waiting;
  bytes?: Buffer;
  result?: CommandResults[CommandType];
  refusal?: Error;
}

export interface StoreParts {
  clock: Clock;
  log: Log;
  catalog: Catalog;
  journal: Journal;
  space: SpaceGuard;
}

/** Batches that the journal took, and what was in them. */
export interface CommitCounts {
  batches: number;
  commands: number;
  bytes: number;
}

/** Upper bounds for the commands of a batch. */
const BATCH_SIZES: readonly number[] = [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024];

/** The catalog at one sequence of the journal. */
export interface StoreSnapshot {
  sequence: number;
  counts: { objects: number; buckets: number; chunks: number };
  catalog: CatalogSnapshot;
}

export class Store {
  readonly catalog: Catalog;
  readonly commits: CommitCounts = { batches: 0, commands: 0, bytes: 0 };
  /** Commands by batch. */
  readonly batchSizes = new Histogram(BATCH_SIZES);
  /** Called for each command in order, once it is durable and before its caller hears of it. */
  onDurable: (command: Command) => void = () => {};
  /** Called once when the store can take no more commands. */
  onFailure: (error: Error) => void = () => {};
  private queue: Waiting[] = [];
  private running: Promise<void> | undefined;
  /** The names that the batch under way changes; undefined while everything applied is durable. */
  private unsynced: Set<string> | undefined;
  private waitingReads: (() => void)[] = [];
  private uncommitted = 0;
  private commitTimer: Timer | undefined;
  private commitDue = false;
  private dropping: Promise<void> | undefined;
  private snapshotDue: PromiseWithResolvers<StoreSnapshot> | undefined;
  private held: CatalogSnapshot | undefined;
  private failure: MasterError | undefined;
  /** The catalog has lost what the journal has: it must not be read. */
  private isBehind = false;
  private closed = false;

  constructor(private readonly parts: StoreParts) {
    this.catalog = parts.catalog;
    if (this.catalog.database.inTransaction) this.commitLater();
  }

  /** The last durable sequence, and the journal's bytes on disk. */
  get journalState(): { sequence: number; bytes: number } {
    return { sequence: this.parts.journal.sequence, bytes: this.parts.journal.bytes };
  }

  /** What the journal took since the start; `sizes`: how many batches had up to so many commands. */
  batches(): CommitCounts & { sizes: [upTo: number, count: number][] } {
    const { counts } = this.batchSizes;
    const sizes = BATCH_SIZES.map((upTo, i): [number, number] => [upTo, counts[i]!]).filter(([, n]) => n > 0);
    return { ...this.commits, sizes };
  }

  /** Resolves with the command's result when it is durable; rejects with {@link MasterError} when it is refused. */
  submit<T extends CommandType>(command: CommandOf<T>): Promise<CommandResults[T]> {
    if (this.failure) return Promise.reject(this.failure);
    if (this.closed) return Promise.reject(new MasterError("NOT_READY", "the master is stopping"));
    if (this.queue.length >= QUEUE_COMMANDS_MAX) {
      return Promise.reject(new ProtocolError("OVERLOADED", "too many changes are waiting: try again"));
    }
    const { promise, resolve, reject } = Promise.withResolvers<CommandResults[CommandType]>();
    this.queue.push({ command, resolve, reject });
    this.wake();
    return promise as Promise<CommandResults[T]>;
  }

  /**
   * Runs `query` when nothing it looks at is waiting for the disk: `names` are what it reads, as of
   * {@link changedNames}; "all" for a query over many.
   */
  read<T>(names: readonly string[] | "all", query: (catalog: Catalog) => T): Promise<T> {
    if (this.isBehind) return Promise.reject(this.failure);
    const { unsynced } = this;
    const mustWait = unsynced && (names === "all" || names.some((name) => unsynced.has(name)));
    return new Promise<T>((resolve, reject) => {
      const run = (): void => {
        try {
          resolve(query(this.catalog));
        } catch (error) {
          reject(error as Error);
        }
      };
      if (mustWait) this.waitingReads.push(run);
      else run();
    });
  }

  /** Starts the work a microtask later, so that all that came in one read of a socket shares the first batch. */
  private wake(): void {
    this.running ??= Promise.resolve().then(() => this.run());
  }

  private async run(): Promise<void> {
    while ((this.queue.length > 0 || this.commitDue || this.snapshotDue) && !this.failure) {
      try {
        if (this.snapshotDue) await this.takeSnapshot();
        if (this.commitDue) await this.commit();
        if (this.queue.length > 0) await this.runBatch();
      } catch (error) {
        this.fail(error as Error);
      }
    }
    this.running = undefined;
  }

  /**
   * The catalog as of one durable sequence. Commands go on while it is read; release it soon, since nothing of the
   * journal is removed before. Rejects with `NOT_READY` while there is another.
   */
  async snapshot(): Promise<StoreSnapshot> {
    this.checkFree();
    await this.catalog.database.catchUp();
    this.checkFree();
    const due = Promise.withResolvers<StoreSnapshot>();
    this.snapshotDue = due;
    this.wake();
    return due.promise;
  }

  private checkFree(): void {
    if (this.failure) throw this.failure;
    if (this.closed) throw new MasterError("NOT_READY", "the master is stopping");
    if (this.held || this.snapshotDue) throw new MasterError("NOT_READY", "another backup is under way");
  }

  private async takeSnapshot(): Promise<void> {
    const due = this.snapshotDue!;
    const { database, buckets, chunks } = this.catalog;
    try {
      if (this.parts.space.full) return due.reject(this.parts.space.refusal());
      if (database.inTransaction) database.commit();
      this.uncommitted = 0;
      const { applied: sequence, objects } = database.meta;
      const counts = { objects, buckets: buckets.count(), chunks: chunks.count() };
      const catalog = await database.snapshot();
      this.held = catalog;
      const release = (): void => {
        catalog.release();
        if (this.held === catalog) this.held = undefined;
      };
      due.resolve({ sequence, counts, catalog: { ...catalog, release } });
    } catch (error) {
      due.reject(error as Error);
      if ((error as NodeJS.ErrnoException).code !== "ENOSPC") throw error;
    } finally {
      this.snapshotDue = undefined;
    }
  }

  private async runBatch(): Promise<void> {
    const { database } = this.catalog;
    await this.parts.space.refresh();
    if (!database.inTransaction) database.begin();
    database.savepoint();
    const batch = this.applyQueued();
    const changed = batch.filter((entry) => entry.bytes !== undefined);
    if (changed.length === 0) {
      database.release();
      settle(batch);
      return;
    }
    this.unsynced = new Set(changed.flatMap(({ waiting }) => changedNames(waiting.command)));
    try {
      await this.parts.journal.append(changed.map(({ bytes }) => bytes!));
      this.countBatch(changed);
    } catch (error) {
      await this.undo(batch, error as NodeJS.ErrnoException);
      return;
    }
    this.confirm(batch, changed);
  }

  /** Applies commands from the queue up to a batch's limits. */
  private applyQueued(): Applied[] {
    const batch: Applied[] = [];
    let bytes = 0;
    try {
      for (const waiting of this.queue) {
        if (batch.length >= BATCH_COMMANDS_MAX || bytes >= BATCH_BYTES_MAX) break;
        const entry = this.applyOne(waiting);
        bytes += entry.bytes?.length ?? 0;
        batch.push(entry);
      }
    } catch (error) {
      if (this.catalog.database.inTransaction) this.catalog.database.rollbackBatch();
      throw error;
    }
    this.queue.splice(0, batch.length);
    return batch;
  }

  private applyOne(waiting: Waiting): Applied {
    const { command } = waiting;
    try {
      if (this.parts.space.full && !TAKEN_WHEN_FULL.has(command.type)) throw this.parts.space.refusal();
      const result = apply(this.catalog, command);
      this.catalog.database.meta.applied++;
      return { waiting, result, bytes: pack(command) };
    } catch (error) {
      // Only a refusal is known to have changed nothing (M4).
      if (error instanceof MasterError) return { waiting, refusal: error };
      throw error;
    }
  }

  private confirm(batch: readonly Applied[], changed: readonly Applied[]): void {
    const { database } = this.catalog;
    database.release();
    this.unsynced = undefined;
    assert(database.meta.applied === this.parts.journal.sequence, "catalog and journal count alike");
    for (const { waiting } of changed) this.onDurable(waiting.command);
    settle(batch);
    this.runWaitingReads();
    this.uncommitted += changed.length;
    if (this.uncommitted >= COMMIT_COMMANDS_MAX) this.commitDue = true;
    else this.commitLater();
  }

  private countBatch(changed: readonly Applied[]): void {
    this.commits.batches++;
    this.commits.commands += changed.length;
    for (const { bytes } of changed) this.commits.bytes += bytes!.length;
    this.batchSizes.observe(changed.length);
  }

  private commitLater(): void {
    this.commitTimer ??= this.parts.clock.after(COMMIT_AFTER_MS, () => {
      this.commitDue = true;
      this.wake();
    });
  }

  /** The journal did not take the batch: as if it had never come. Only a full disk lets the store go on. */
  private async undo(batch: readonly Applied[], error: NodeJS.ErrnoException): Promise<void> {
    this.catalog.database.rollbackBatch();
    this.unsynced = undefined;
    if (error.code !== "ENOSPC") {
      for (const { waiting } of batch) waiting.reject(unknownOutcome(error));
      this.runWaitingReads();
      throw error;
    }
    this.runWaitingReads();
    const freed = await this.parts.space.ranOut();
    const again: Waiting[] = [];
    for (const { waiting } of batch) {
      if (freed && TAKEN_WHEN_FULL.has(waiting.command.type)) again.push(waiting);
      else waiting.reject(this.parts.space.refusal());
    }
    this.queue = [...again, ...this.queue];
  }

  private runWaitingReads(): void {
    const reads = this.waitingReads;
    this.waitingReads = [];
    for (const run of reads) run();
  }

  /** Puts what is durable in the journal into SQLite's file, between two batches. */
  private async commit(): Promise<void> {
    const { space, journal } = this.parts;
    const { database } = this.catalog;
    this.commitTimer?.cancel();
    this.commitTimer = undefined;
    this.commitDue = false;
    if (!database.inTransaction) return;
    await space.refresh(0);
    if (space.full && this.uncommitted < UNCOMMITTED_MAX) {
      this.commitLater();
      return;
    }
    database.commit();
    this.uncommitted = 0;
    await database.settled();
    if (journal.closedSegments > CLOSED_SEGMENTS_MAX) {
      this.dropping ??= this.dropSegments(database.meta.applied);
    }
  }

  /** `committed` is the sequence that the catalog has committed by now; more follows while the disk is written to. */
  private async dropSegments(committed: number): Promise<void> {
    try {
      if (await this.catalog.database.checkpoint()) await this.parts.journal.dropThrough(committed);
    } catch (error) {
      this.parts.log.warn("old journal segments could not be removed", { error: String(error) });
    }
    this.dropping = undefined;
  }

  /** From here on nothing is changed any more; what was acknowledged is in the journal. */
  private fail(error: Error): void {
    if (this.failure) return;
    this.failure = unknownOutcome(error);
    // Then SQLite has undone changes that were acknowledged: the next start applies them again from the journal.
    this.isBehind = this.uncommitted > 0 && !this.catalog.database.inTransaction;
    this.parts.log.error("the store failed: no more changes are taken", {
      error: error.stack ?? String(error),
    });
    for (const { reject } of this.queue.splice(0)) reject(this.failure);
    this.snapshotDue?.reject(this.failure);
    this.onFailure(error);
  }

  /** Resolves when no batch and no removal of old segments is under way. */
  async idle(): Promise<void> {
    while (this.running ?? this.dropping) await (this.running ?? this.dropping);
  }

  /** Takes no more commands, finishes those it has, commits, and closes both files. */
  async close(): Promise<void> {
    this.closed = true;
    this.held?.release();
    await this.idle();
    (this.held as CatalogSnapshot | undefined)?.release();
    this.commitTimer?.cancel();
    try {
      if (!this.failure && this.catalog.database.inTransaction) this.catalog.database.commit();
    } catch (error) {
      this.parts.log.warn("the catalog was not committed: the next start replays more", {
        error: String(error),
      });
    }
    await this.catalog.database.close();
    await this.parts.journal.close();
  }
}

function settle(batch: readonly Applied[]): void {
  for (const { waiting, result, refusal } of batch) {
    if (refusal) waiting.reject(refusal);
    else waiting.resolve(result!);
  }
}

function unknownOutcome(error: Error): MasterError {
  return new MasterError(
    "NOT_READY",
    `the master's disk failed (${error.message}): whether this change was kept is not known. Check the disk and ` +
      "restart the master",
  );
}
