// Where a catalog's SQLite lives: a file of the real file system, or in a simulator its memory. All else that is done to
// the file (whether it is there, its size, rename, removal) goes through the disk interface.
import { Database } from "bun:sqlite";
import { type CatalogSnapshot, WalFile } from "./wal-file.ts";

const CACHE_KIB = 64 << 10;
const BUSY_TIMEOUT_MS = 5_000;

/** An open catalog, alone on its file. */
export interface CatalogFile {
  readonly sqlite: Database;
  /** Ends the transaction that is open. Survives the process; a power failure may lose it until {@link checkpoint}. */
  commit(): void;
  /** After a commit: resolves when the next transaction may begin. Absent or undefined: at once. Rejects on a failed disk. */
  settled?(): Promise<void> | undefined;
  /**
   * Makes everything committed so far durable, and tells whether all of it is; a new transaction may begin meanwhile.
   * Call it outside of a transaction. Throws or rejects when the disk failed.
   */
  checkpoint(): boolean | Promise<boolean>;
  /** Does ahead what {@link snapshot} would have to do while commands wait. */
  catchUp?(): Promise<void>;
  /** What is committed now. Call it outside of a transaction, and begin none before it resolves. */
  snapshot(): Promise<CatalogSnapshot>;
  close(): void | Promise<void>;
}

export interface CatalogFiles {
  /** Opens the file at `path`, or with `create` makes a new one. Throws SQLite's errors. */
  open(path: string, mode: "write" | "create"): CatalogFile;
}

export const systemCatalogFiles: CatalogFiles = {
  open: (path, mode) => new WalFile(openSqlite(path, mode), path),
};

function openSqlite(path: string, mode: "write" | "create"): Database {
  const create = mode === "create";
  const sqlite = new Database(path, create ? { create } : { readwrite: true, create });
  try {
    sqlite.run(`PRAGMA busy_timeout = ${BUSY_TIMEOUT_MS}`);
    sqlite.run("PRAGMA journal_mode = WAL");
    // Syncs at checkpoints alone, WAL before file: what a power failure takes is behind the last checkpoint, and that
    // the journal still has. OFF would let the file get ahead of the WAL, and a torn file cannot be replayed onto.
    sqlite.run("PRAGMA synchronous = NORMAL");
    sqlite.run(`PRAGMA cache_size = -${CACHE_KIB}`);
    sqlite.run("PRAGMA wal_autocheckpoint = 0");
    sqlite.run("PRAGMA cell_size_check = ON");
    // What a batch's savepoint keeps of each changed page: as a file it was most of the writes that a commit cost.
    sqlite.run("PRAGMA temp_store = MEMORY");
  } catch (error) {
    sqlite.close();
    throw error;
  }
  return sqlite;
}
