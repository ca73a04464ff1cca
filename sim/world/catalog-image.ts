// A catalog's file: SQLite in memory, and what of it would be on the medium.
import { Database } from "bun:sqlite";
import type { CatalogFile } from "../../masterd/catalog/catalog-files.ts";
import type { Inode } from "./file-system.ts";
import type { SimProcess } from "./process.ts";
import type { Scheduler } from "./scheduler.ts";
import type { SeededRandom } from "./seeded-random.ts";

/** Chance that a commit between two checkpoints is kept as one that a power failure may fall back to. */
const KEEP_CHANCE = 0.2;
const KEPT_MAX = 4;

/** What SQLite needs of the disk under it. */
export interface CatalogMedium {
  /** The code of the error that a write or sync of the file has now, if any. */
  errorOf(operation: "write" | "sync"): string | undefined;
  /** Takes the time of a sync of the file, then has `effect`. Rejects with Node's error where the sync fails. */
  sync(effect: () => void): Promise<void>;
}

/** How every SQLite file begins. */
const MAGIC = Buffer.from("SQLite format 3\0");

interface Version {
  /** The number of commits that it holds. */
  commits: number;
  image: Uint8Array | undefined;
}

export class CatalogImage implements Inode {
  /** SQLite finds no catalog in the file. */
  damaged = false;
  /** What the page cache has while nobody has it open; undefined: an empty file. */
  private image: Uint8Array | undefined;
  private open: { sqlite: Database; process: SimProcess } | undefined;
  private commits = 0;
  /** What a power failure may leave: first what the last checkpoint made durable, then later commits. */
  private fallbacks: Version[];

  constructor(
    private readonly scheduler: Scheduler,
    private readonly random: SeededRandom,
    /** The bytes of a catalog that was copied here; absent: an empty file. */
    image?: Uint8Array,
  ) {
    if (image && !MAGIC.equals(image.subarray(0, MAGIC.length))) throw new Error("file is not a database");
    this.image = image;
    this.size = image?.length ?? 0;
    this.fallbacks = [{ commits: 0, image }];
  }

  /** Bytes in the file: as of the last commit. */
  size: number;

  /** All of the file, while nobody has it open. */
  bytes(): Uint8Array {
    return this.image ?? new Uint8Array();
  }

  /** Throws as SQLite does. */
  openBy(process: SimProcess, medium: CatalogMedium): CatalogFile {
    if (this.open) throw new Error("database is locked");
    if (this.damaged) throw new Error("database disk image is malformed");
    const sqlite = this.image ? Database.deserialize(this.image) : new Database(":memory:");
    this.open = { sqlite, process };
    return {
      sqlite,
      commit: () => this.commit(sqlite, medium),
      checkpoint: () => this.checkpoint(sqlite, medium),
      snapshot: async () => snapshotOf(sqlite.serialize()),
      close: () => this.close(),
    };
  }

  private commit(sqlite: Database, medium: CatalogMedium): void {
    const error = medium.errorOf("write");
    if (error !== undefined) {
      // SQLite undoes a transaction that met some errors, and leaves that to the program with others.
      if (this.random.chance(0.5)) sqlite.run("ROLLBACK");
      throw new Error(error === "ENOSPC" ? "database or disk is full" : "disk I/O error");
    }
    sqlite.run("COMMIT");
    this.commits++;
    this.size = sizeOf(sqlite);
    if (this.random.chance(KEEP_CHANCE)) this.keep(sqlite);
  }

  private keep(sqlite: Database): void {
    // The first is the durable one; any later one may go.
    if (this.fallbacks.length > KEPT_MAX) this.fallbacks.splice(this.random.int(1, KEPT_MAX), 1);
    this.fallbacks.push({ commits: this.commits, image: sqlite.serialize() });
  }

  /** Covers what is committed when it begins. */
  private async checkpoint(sqlite: Database, medium: CatalogMedium): Promise<boolean> {
    const covered: Version = { commits: this.commits, image: sqlite.serialize() };
    await medium.sync(() => {
      const later = this.fallbacks.filter(({ commits }) => commits > covered.commits);
      this.fallbacks = [covered, ...later];
    });
    return true;
  }

  private close(): void {
    if (!this.open) return;
    const { sqlite } = this.open;
    this.open = undefined;
    if (sqlite.inTransaction) sqlite.run("ROLLBACK");
    this.image = sqlite.serialize();
    this.size = this.image.length;
    sqlite.close();
  }

  /** What was committed stays. */
  processDied(process: SimProcess): void {
    // The program may still be in the middle of a turn, which must not find its database closed.
    if (this.open?.process === process) this.scheduler.atEventEnd(() => this.close());
  }

  powerLoss(random: SeededRandom): void {
    const left = random.pick([...this.fallbacks.map(({ image }) => image), this.image]);
    this.image = left;
    this.size = left?.length ?? 0;
    this.fallbacks = [{ commits: this.commits, image: left }];
  }
}

function sizeOf(sqlite: Database): number {
  const { pages, pageSize } = sqlite
    .query<{ pages: number; pageSize: number }, []>(
      "SELECT page_count AS pages, page_size AS pageSize FROM pragma_page_count, pragma_page_size",
    )
    .get()!;
  return pages * pageSize;
}

function snapshotOf(image: Uint8Array): Awaited<ReturnType<CatalogFile["snapshot"]>> {
  return {
    size: image.length,
    read: async (into, offset) => {
      const bytes = image.subarray(offset, offset + into.length);
      into.set(bytes);
      return bytes.length;
    },
    release: () => {},
  };
}
