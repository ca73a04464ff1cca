import { type Extent, extentEnd } from "../../chunkd/protocol/record.ts";
import { assert } from "../../std/assert.ts";
import { MasterError } from "../store/errors.ts";
import type { CatalogDatabase } from "./database.ts";

export type ChunkState = "open" | "sealed" | "deleting";

export interface ChunkRow {
  handle: number;
  version: number;
  state: ChunkState;
  /** File offset behind the last record; 0 while open. */
  length: number;
  /** Payload bytes that objects and parts refer to. */
  live: number;
  /** File offset behind the last extent that was ever committed. */
  committed: number;
  /** The chunkservers it was opened on, primary first. */
  members: string[];
  /** When it came into this state, ms since the epoch. */
  changedAt: number;
}

export type SealedRow = Pick<ChunkRow, "handle" | "length" | "live" | "changedAt">;

interface StoredRow extends Omit<ChunkRow, "members" | "changedAt"> {
  members: string;
  changed_at: number;
}

const COLUMNS = "handle, version, state, length, live, committed, members, changed_at";

/** The most chunks that one look for garbage takes up. */
const DEAD_CHUNKS_MAX = 1000;

export class ChunkTable {
  private readonly selectOne;
  private readonly selectLength;
  private readonly selectAll;
  private readonly selectDead;
  private readonly selectSealed;
  private readonly selectCount;
  private readonly insert;
  private readonly insertSealed;
  private readonly addReference;
  private readonly dropReference;
  private readonly setState;
  private readonly remove;

  constructor({ sqlite }: CatalogDatabase) {
    this.selectOne = sqlite.query<StoredRow, [number]>(`SELECT ${COLUMNS} FROM chunks WHERE handle = ?`);
    this.selectLength = sqlite.query<Pick<ChunkRow, "state" | "length">, [number]>(
      "SELECT state, length FROM chunks WHERE handle = ?",
    );
    this.selectAll = sqlite.query<StoredRow, []>(`SELECT ${COLUMNS} FROM chunks`);
    this.selectDead = sqlite.query<{ handle: number }, [number, number, number, number, number]>(
      `SELECT handle FROM chunks WHERE live = 0 AND state = 'sealed'
       AND (changed_at <= CASE committed WHEN 0 THEN ? ELSE ? END
         OR changed_at > CASE committed WHEN 0 THEN ? ELSE ? END) ORDER BY changed_at LIMIT ?`,
    );
    this.selectSealed = sqlite.query<SealedRow, [number, number]>(
      `SELECT handle, length, live, changed_at AS changedAt FROM chunks
       WHERE handle > ? AND state = 'sealed' ORDER BY handle LIMIT ?`,
    );
    this.selectCount = sqlite.query<{ count: number }, []>("SELECT count(*) AS count FROM chunks");
    this.insertSealed = sqlite.query<unknown, [number, number, number, number, string, number]>(
      `INSERT INTO chunks (${COLUMNS}) VALUES (?, ?, 'sealed', ?, 0, ?, ?, ?)`,
    );
    this.insert = sqlite.query<unknown, [number, string, number]>(
      `INSERT INTO chunks (${COLUMNS}) VALUES (?, 1, 'open', 0, 0, 0, ?, ?)`,
    );
    this.addReference = sqlite.query<unknown, [number, number, number]>(
      "UPDATE chunks SET live = live + ?, committed = max(committed, ?) WHERE handle = ?",
    );
    this.dropReference = sqlite.query<unknown, [number, number]>(
      "UPDATE chunks SET live = live - ? WHERE handle = ?",
    );
    this.setState = sqlite.query<unknown, [string, number, number, number, number]>(
      "UPDATE chunks SET state = ?, version = ?, length = ?, changed_at = ? WHERE handle = ?",
    );
    this.remove = sqlite.query<unknown, [number]>("DELETE FROM chunks WHERE handle = ?");
  }

  get(handle: number): ChunkRow | undefined {
    const row = this.selectOne.get(handle);
    return row ? decode(row) : undefined;
  }

  count(): number {
    return this.selectCount.get()!.count;
  }

  /** Every chunk, a row at a time: called at start, when nothing else uses the table. */
  *all(): Iterable<ChunkRow> {
    for (const row of this.selectAll.iterate()) yield decode(row);
  }

  /**
   * Sealed chunks that nothing refers to: those that once held committed data and were sealed by `sealedBy`, and those
   * that never did and were sealed by `abandonedBy` (both ms since the epoch); and those that were sealed later than
   * `sealedFrom` or `abandonedFrom`, by a clock that was set back since.
   */
  dead(
    sealedBy: number,
    abandonedBy: number,
    sealedFrom = Number.POSITIVE_INFINITY,
    abandonedFrom = Number.POSITIVE_INFINITY,
  ): number[] {
    const found = this.selectDead.all(abandonedBy, sealedBy, abandonedFrom, sealedFrom, DEAD_CHUNKS_MAX);
    return found.map(({ handle }) => handle);
  }

  open(handle: number, members: readonly string[], at: number): void {
    this.insert.run(handle, JSON.stringify(members), at);
  }

  /** A chunk that is sealed from its first moment on: all of it counts as committed. */
  addSealed(handle: number, version: number, length: number, members: readonly string[], at: number): void {
    this.insertSealed.run(handle, version, length, length, JSON.stringify(members), at);
  }

  /** At most `limit` sealed chunks with handles above `after`, in their order. */
  sealed(after: number, limit: number): SealedRow[] {
    return this.selectSealed.all(after, limit);
  }

  change(row: ChunkRow, state: ChunkState, version: number, length: number, at: number): void {
    this.setState.run(state, version, length, at, row.handle);
  }

  forget(handle: number): void {
    this.remove.run(handle);
  }

  /** Throws `STALE_EXTENT` unless every chunk of `extents` is there and not sealed short of them. */
  checkExtents(extents: readonly Extent[]): void {
    let row: Pick<ChunkRow, "state" | "length"> | null = null;
    let handle = 0;
    for (const extent of extents) {
      if (handle !== extent.handle) row = this.selectLength.get(extent.handle);
      handle = extent.handle;
      if (!row || row.state === "deleting" || (row.state === "sealed" && extentEnd(extent) > row.length)) {
        throw new MasterError(
          "STALE_EXTENT",
          `chunk ${extent.handle} is ${row ? `${row.state} at ${row.length}` : "unknown"}: write the data again`,
        );
      }
    }
  }

  refer(extents: readonly Extent[]): void {
    for (const extent of extents) {
      const { changes } = this.addReference.run(extent.length, extentEnd(extent), extent.handle);
      assert(changes === 1, "the chunk of a checked extent exists");
    }
  }

  unrefer(extents: readonly Extent[]): void {
    for (const extent of extents) {
      const { changes } = this.dropReference.run(extent.length, extent.handle);
      assert(changes === 1, "a chunk outlives what refers to it");
    }
  }
}

function decode({ members, changed_at, ...row }: StoredRow): ChunkRow {
  return { ...row, members: JSON.parse(members) as string[], changedAt: changed_at };
}
