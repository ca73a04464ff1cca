// The SQLite file behind the catalog: one connection, one transaction open at a time. The journal is the truth, so
// commits are lazy and unsynced; what SQLite loses in a crash is replayed from the journal behind `applied`.
import type { Database } from "bun:sqlite";
import { assert } from "../../std/assert.ts";
import { DamagedStoreError } from "../store/errors.ts";
import { type CatalogFile, type CatalogFiles, systemCatalogFiles } from "./catalog-files.ts";
import { migrate } from "./migrations.ts";
import { CATALOG_FORMAT, SCHEMA } from "./schema.ts";
import type { CatalogSnapshot } from "./wal-file.ts";

/** What the catalog knows besides its tables; saved with every commit. */
export interface CatalogMeta {
  /** The last journal sequence whose effects the tables hold. */
  applied: number;
  /** Objects in all buckets. */
  objects: number;
  /** Chunks ever opened: 0 tells a new master from one that has forgotten. */
  chunksOpened: number;
  /** Since when chunks that the catalog does not know wait for the operator's word, ms; 0: they do not. */
  orphansHeldSince: number;
  /** When this catalog was made of a backup, ms; 0: never. */
  restoredAt: number;
}

const META_NUMBERS = ["applied", "objects", "chunksOpened", "orphansHeldSince", "restoredAt"] as const;

type MetaRow = { value: number | string };

export class CatalogDatabase {
  readonly sqlite: Database;
  readonly meta: CatalogMeta;
  /** Counts the times that changes were undone: what was read of them before is not so any more. */
  rollbacks = 0;
  private saved: CatalogMeta;
  private readonly setMeta;

  private constructor(private readonly file: CatalogFile) {
    this.sqlite = file.sqlite;
    this.meta = this.loadMeta();
    this.saved = { ...this.meta };
    this.setMeta = this.sqlite.query<unknown, [string, number]>("INSERT OR REPLACE INTO meta VALUES (?, ?)");
  }

  /** Makes an empty catalog for `clusterId` at `path`, which must not exist. */
  static create(path: string, clusterId: string, files: CatalogFiles = systemCatalogFiles): CatalogDatabase {
    const file = files.open(path, "create");
    const { sqlite } = file;
    sqlite.transaction(() => {
      sqlite.run(SCHEMA);
      const insert = sqlite.query<unknown, [string, number | string]>("INSERT INTO meta VALUES (?, ?)");
      insert.run("format", CATALOG_FORMAT);
      insert.run("clusterId", clusterId);
      for (const name of META_NUMBERS) insert.run(name, 0);
    })();
    return new CatalogDatabase(file);
  }

  /** Opens the catalog at `path`. Throws {@link DamagedStoreError} when it is not one of this cluster, or damaged. */
  static open(path: string, clusterId: string, files: CatalogFiles = systemCatalogFiles): CatalogDatabase {
    let file: CatalogFile | undefined;
    let values: Map<string, number | string>;
    try {
      file = files.open(path, "write");
      values = readMeta(file.sqlite);
    } catch (cause) {
      file?.close();
      throw new DamagedStoreError(`the catalog ${path} cannot be read (${(cause as Error).message})`);
    }
    if (values.get("clusterId") !== clusterId) {
      file.close();
      throw new DamagedStoreError(`the catalog ${path} belongs to another cluster`);
    }
    if (!migrate(file.sqlite, values.get("format"))) {
      file.close();
      throw new DamagedStoreError(
        `the catalog ${path} has format ${values.get("format")}, not ${CATALOG_FORMAT}`,
      );
    }
    return new CatalogDatabase(file);
  }

  private loadMeta(): CatalogMeta {
    const values = readMeta(this.sqlite);
    const number = (name: string): number => {
      const value = values.get(name);
      if (typeof value !== "number") throw new DamagedStoreError(`the catalog has no "${name}"`);
      return value;
    };
    return {
      applied: number("applied"),
      objects: number("objects"),
      chunksOpened: number("chunksOpened"),
      orphansHeldSince: number("orphansHeldSince"),
      // The first catalogs of format 2 had none.
      restoredAt: values.has("restoredAt") ? number("restoredAt") : 0,
    };
  }

  get inTransaction(): boolean {
    return this.sqlite.inTransaction;
  }

  begin(): void {
    this.sqlite.run("BEGIN IMMEDIATE");
  }

  /** Marks where {@link rollbackBatch} goes back to. */
  savepoint(): void {
    this.saved = { ...this.meta };
    this.sqlite.run("SAVEPOINT batch");
  }

  release(): void {
    this.sqlite.run("RELEASE batch");
  }

  rollbackBatch(): void {
    this.rollbacks++;
    this.sqlite.run("ROLLBACK TO batch");
    this.sqlite.run("RELEASE batch");
    Object.assign(this.meta, this.saved);
  }

  commit(): void {
    assert(this.sqlite.inTransaction, "a commit needs a transaction");
    for (const name of META_NUMBERS) this.setMeta.run(name, this.meta[name]);
    this.file.commit();
  }

  /**
   * Makes everything committed so far durable, and tells whether all of it is; a new transaction may begin meanwhile.
   * Call it outside of a transaction. Rejects when the disk failed.
   */
  async checkpoint(): Promise<boolean> {
    return this.file.checkpoint();
  }

  /** After a commit: resolves when the next transaction may begin; undefined: at once. */
  settled(): Promise<void> | undefined {
    return this.file.settled?.();
  }

  /** Does ahead what {@link snapshot} would have to do while commands wait. */
  async catchUp(): Promise<void> {
    await this.file.catchUp?.();
  }

  /** What is committed now. Call it outside of a transaction, and begin none before it resolves. */
  snapshot(): Promise<CatalogSnapshot> {
    return this.file.snapshot();
  }

  async close(): Promise<void> {
    if (this.sqlite.inTransaction) this.sqlite.run("ROLLBACK");
    await this.file.close();
  }
}

function readMeta(sqlite: Database): Map<string, number | string> {
  const rows = sqlite.query<{ name: string } & MetaRow, []>("SELECT name, value FROM meta").all();
  return new Map(rows.map(({ name, value }) => [name, value]));
}
