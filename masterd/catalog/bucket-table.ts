import type { Bucket } from "../protocol/messages.ts";
import { MasterError } from "../store/errors.ts";
import type { CatalogDatabase } from "./database.ts";

interface StoredRow {
  id: number;
  name: string;
  owner: string;
  created_at: number;
}

/** Buckets kept as they were last read. */
const KNOWN_MAX = 10_000;

type KnownBucket = Readonly<Bucket & { id: number }>;

export class BucketTable {
  /** Every commit and look-up names a bucket: asking SQLite was a sixth of what a look-up cost. */
  private readonly known = new Map<string, KnownBucket>();
  private rollbacksSeen = 0;
  private readonly selectOne;
  private readonly selectName;
  private readonly selectPage;
  private readonly selectPageOf;
  private readonly insert;
  private readonly updateOwner;
  private readonly remove;
  private readonly selectCount;

  constructor(private readonly database: CatalogDatabase) {
    const { sqlite } = database;
    this.selectOne = sqlite.query<StoredRow, [string]>("SELECT * FROM buckets WHERE name = ?");
    this.selectName = sqlite.query<{ name: string }, [number]>("SELECT name FROM buckets WHERE id = ?");
    const page = "SELECT * FROM buckets WHERE name > ? AND substr(name, 1, length(?2)) = ?2";
    this.selectPage = sqlite.query<StoredRow, [string, string, number]>(`${page} ORDER BY name LIMIT ?3`);
    this.selectPageOf = sqlite.query<StoredRow, [string, string, number, string]>(
      `${page} AND owner = ?4 ORDER BY name LIMIT ?3`,
    );
    this.insert = sqlite.query<unknown, [string, string, number]>(
      "INSERT INTO buckets (name, owner, created_at) VALUES (?, ?, ?)",
    );
    this.updateOwner = sqlite.query<unknown, [string, number]>("UPDATE buckets SET owner = ? WHERE id = ?");
    this.remove = sqlite.query<unknown, [number]>("DELETE FROM buckets WHERE id = ?");
    this.selectCount = sqlite.query<{ count: number }, []>("SELECT count(*) AS count FROM buckets");
  }

  find(name: string): KnownBucket | undefined {
    if (this.rollbacksSeen !== this.database.rollbacks) this.forgetAll();
    const known = this.known.get(name);
    if (known) return known;
    const row = this.selectOne.get(name);
    if (!row) return undefined;
    if (this.known.size >= KNOWN_MAX) this.known.clear();
    const bucket = { id: row.id, ...decode(row) };
    this.known.set(name, bucket);
    return bucket;
  }

  private forgetAll(): void {
    this.rollbacksSeen = this.database.rollbacks;
    this.known.clear();
  }

  /** Throws `NO_SUCH_BUCKET`. */
  get(name: string): KnownBucket {
    const bucket = this.find(name);
    if (!bucket) throw new MasterError("NO_SUCH_BUCKET", `there is no bucket "${name}"`);
    return bucket;
  }

  /** The tables' own number of a bucket. Throws `NO_SUCH_BUCKET`. */
  id(name: string): number {
    return this.get(name).id;
  }

  /** The name of the bucket that the tables call `id`. */
  name(id: number): string | undefined {
    return this.selectName.get(id)?.name;
  }

  list(request: { owner?: string; prefix?: string; after?: string; max: number }): {
    buckets: Bucket[];
    next?: string;
  } {
    const { owner, prefix = "", after = "", max } = request;
    if (max === 0) return { buckets: [] };
    const rows =
      owner === undefined
        ? this.selectPage.all(after, prefix, max + 1)
        : this.selectPageOf.all(after, prefix, max + 1, owner);
    const buckets = rows.slice(0, max).map(decode);
    return rows.length > max ? { buckets, next: buckets.at(-1)!.name } : { buckets };
  }

  add({ name, owner, createdAt }: Bucket): void {
    this.insert.run(name, owner, createdAt);
  }

  setOwner(id: number, owner: string): void {
    this.updateOwner.run(owner, id);
    this.forgetAll();
  }

  delete(id: number): void {
    this.remove.run(id);
    this.forgetAll();
  }

  count(): number {
    return this.selectCount.get()!.count;
  }
}

function decode({ name, owner, created_at }: StoredRow): Bucket {
  return { name, owner, createdAt: created_at };
}
