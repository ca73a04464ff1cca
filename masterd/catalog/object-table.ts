import type { Extent } from "../../chunkd/protocol/record.ts";
import type { Attributes, ListedObject, ObjectRecord } from "../protocol/messages.ts";
import { MasterError } from "../store/errors.ts";
import type { CatalogDatabase } from "./database.ts";
import { keyBytes } from "./names.ts";
import { pack, packExtents, unpack, unpackExtents } from "./packing.ts";

interface HeadRow {
  size: number;
  etag: string;
  modified_at: number;
  attributes: Uint8Array;
  parts: Uint8Array | null;
}

type ObjectRow = [
  bucket: number,
  key: Buffer,
  size: number,
  etag: string,
  modifiedAt: number,
  algorithms: string | null,
  attributes: Buffer,
  parts: Buffer | null,
  extents: Buffer,
];

type ListedRow = [key: string, size: number, etag: string, modifiedAt: number, algorithms: string | null];

/** What a sweep over all objects sees. */
export interface SweptObject {
  bucket: number;
  key: Uint8Array;
  extents: Uint8Array;
}

export type ObjectHead = Omit<ObjectRecord, "extents">;

export class ObjectTable {
  private readonly selectHead;
  private readonly selectWhole;
  private readonly selectEtag;
  private readonly selectAny;
  private readonly selectFrom;
  private readonly selectExtents;
  private readonly selectSweep;
  private readonly updateExtents;
  private readonly insert;
  private readonly replace;
  private readonly remove;

  constructor(private readonly database: CatalogDatabase) {
    const { sqlite } = database;
    const head = "size, etag, modified_at, attributes, parts";
    const one = "FROM objects WHERE bucket = ? AND key = ?";
    this.selectHead = sqlite.query<HeadRow, [number, Buffer]>(`SELECT ${head} ${one}`);
    this.selectWhole = sqlite.query<HeadRow & { extents: Uint8Array }, [number, Buffer]>(
      `SELECT ${head}, extents ${one}`,
    );
    this.selectEtag = sqlite.query<{ etag: string; extents: Uint8Array }, [number, Buffer]>(
      `SELECT etag, extents ${one}`,
    );
    this.selectAny = sqlite.query<{ one: 1 }, [number]>(
      "SELECT 1 AS one FROM objects WHERE bucket = ? LIMIT 1",
    );
    this.selectFrom = sqlite.query<ListedRow, [number, Buffer, Buffer, number]>(
      // As text the key needs no buffer of its own, and that is most of what a listed key costs.
      `SELECT CAST(key AS TEXT), size, etag, modified_at, algorithms FROM objects
       WHERE bucket = ? AND key >= ? AND key < ? ORDER BY key LIMIT ?`,
    );
    this.selectExtents = sqlite.query<{ extents: Uint8Array }, [number, Buffer]>(`SELECT extents ${one}`);
    this.selectSweep = sqlite.query<SweptObject, [number, Buffer, number]>(
      `SELECT bucket, key, extents FROM objects WHERE (bucket, key) > (?, ?) ORDER BY bucket, key LIMIT ?`,
    );
    this.updateExtents = sqlite.query<unknown, [Buffer, number, Buffer]>(
      "UPDATE objects SET extents = ? WHERE bucket = ? AND key = ?",
    );
    const values = `objects (bucket, key, size, etag, modified_at, algorithms, attributes, parts, extents)
       VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`;
    this.insert = sqlite.query<unknown, ObjectRow>(
      `INSERT INTO ${values} ON CONFLICT (bucket, key) DO NOTHING`,
    );
    this.replace = sqlite.query<unknown, ObjectRow>(`INSERT OR REPLACE INTO ${values}`);
    this.remove = sqlite.query<unknown, [number, Buffer]>("DELETE FROM objects WHERE bucket = ? AND key = ?");
  }

  /** What a condition and an overwrite need of the present object. */
  present(bucket: number, key: string): { etag: string; extents: Extent[] } | undefined {
    const row = this.selectEtag.get(bucket, keyBytes(key));
    return row ? { etag: row.etag, extents: unpackExtents(row.extents) } : undefined;
  }

  /** Throws `NO_SUCH_KEY`. */
  head(bucket: number, key: string): ObjectHead {
    return decode(key, this.selectHead.get(bucket, keyBytes(key)));
  }

  /** Throws `NO_SUCH_KEY`. */
  get(bucket: number, key: string): ObjectRecord {
    const row = this.selectWhole.get(bucket, keyBytes(key));
    return { ...decode(key, row), extents: unpackExtents(row!.extents) };
  }

  /** Where the object's bytes lie; undefined for none. */
  extents(bucket: number, key: string): Extent[] | undefined {
    const row = this.selectExtents.get(bucket, keyBytes(key));
    return row ? unpackExtents(row.extents) : undefined;
  }

  /** Changes where the bytes lie, and nothing else of the object. */
  setExtents(bucket: number, key: string, extents: readonly Extent[]): void {
    this.updateExtents.run(packExtents(extents), bucket, keyBytes(key));
  }

  /** At most `limit` objects of all buckets behind (`bucket`, `key`), in that order; extents as they are packed. */
  sweep(bucket: number, key: Uint8Array, limit: number): SweptObject[] {
    return this.selectSweep.all(bucket, Buffer.from(key), limit);
  }

  hasAny(bucket: number): boolean {
    return this.selectAny.get(bucket) !== null;
  }

  /** At most `limit` rows with `from` <= key < `to`, in the order of their bytes. */
  range(bucket: number, from: Buffer, to: Buffer, limit: number): ListedRow[] {
    return this.selectFrom.values(bucket, from, to, limit) as ListedRow[];
  }

  /**
   * Returns the extents of what it replaces, none where the key was free. That is tried first: a look at the key before
   * would cost a new object a second way down the tree.
   */
  put(bucket: number, object: ObjectRecord): readonly Extent[] {
    const { attributes, parts } = object;
    const algorithms = Object.keys(attributes.checksums).join(",");
    const row: ObjectRow = [
      bucket,
      keyBytes(object.key),
      object.size,
      object.etag,
      object.modifiedAt,
      algorithms === "" ? null : algorithms,
      pack(attributes),
      parts ? pack(parts) : null,
      packExtents(object.extents),
    ];
    if (this.insert.run(...row).changes === 1) {
      this.database.meta.objects++;
      return [];
    }
    const replaced = this.extents(bucket, object.key)!;
    this.replace.run(...row);
    return replaced;
  }

  delete(bucket: number, key: string): void {
    this.remove.run(bucket, keyBytes(key));
    this.database.meta.objects--;
  }
}

function decode(key: string, row: HeadRow | null): ObjectHead {
  if (!row) throw new MasterError("NO_SUCH_KEY", "the key has no object");
  const head: ObjectHead = {
    key,
    size: row.size,
    etag: row.etag,
    modifiedAt: row.modified_at,
    attributes: unpack<Attributes>(row.attributes),
  };
  if (row.parts) head.parts = unpack<number[]>(row.parts);
  return head;
}

export function listedObject([key, size, etag, modifiedAt, algorithms]: ListedRow): ListedObject {
  const listed: ListedObject = { key, size, etag, modifiedAt };
  if (algorithms !== null) listed.checksumAlgorithms = algorithms.split(",");
  return listed;
}
