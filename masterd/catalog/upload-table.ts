import type { Extent } from "../../chunkd/protocol/record.ts";
import type { MasterMethods, PartRecord, UploadRecord } from "../protocol/messages.ts";
import { MasterError } from "../store/errors.ts";
import type { CatalogDatabase } from "./database.ts";
import { keyBytes, keyText } from "./names.ts";
import { pack, packExtents, unpack, unpackExtents } from "./packing.ts";

type Completion = MasterMethods["completeUpload"]["response"];

interface UploadRow {
  key: Uint8Array;
  id: string;
  initiated_at: number;
  details: Uint8Array;
}

interface PartRow {
  number: number;
  size: number;
  etag: string;
  modified_at: number;
  checksums: Uint8Array;
  extents: Uint8Array;
}

/** What a sweep over all parts sees. */
export interface SweptPart {
  upload: string;
  number: number;
  extents: Uint8Array;
}

export interface StoredPart extends PartRecord {
  extents: Extent[];
}

/** A completion is remembered for a day, and at most so many: each holds an object's attributes. */
const COMPLETION_KEPT_MS = 24 * 60 * 60 * 1000;
const COMPLETIONS_MAX = 10_000;

export class UploadTable {
  private readonly selectOne;
  private readonly selectId;
  private readonly selectFrom;
  private readonly insert;
  private readonly remove;
  private readonly selectPart;
  private readonly selectParts;
  private readonly replacePart;
  private readonly removeParts;
  private readonly selectSweep;
  private readonly selectIdle;
  private readonly selectLastPart;
  private readonly selectCompletion;
  private readonly insertCompletion;
  private readonly removeOldCompletions;
  private readonly removeSurplusCompletions;

  constructor({ sqlite }: CatalogDatabase) {
    const upload = "SELECT key, id, initiated_at, details FROM uploads";
    this.selectOne = sqlite.query<UploadRow, [number, Buffer, string]>(
      `${upload} WHERE bucket = ? AND key = ? AND id = ?`,
    );
    this.selectId = sqlite.query<{ id: string }, [string]>("SELECT id FROM uploads WHERE id = ?");
    this.selectFrom = sqlite.query<UploadRow, [number, Buffer, string, Buffer, number]>(
      `${upload} WHERE bucket = ?1 AND (key, id) > (?2, ?3) AND key < ?4 ORDER BY key, id LIMIT ?5`,
    );
    this.insert = sqlite.query<unknown, [number, Buffer, string, number, Buffer]>(
      "INSERT INTO uploads (bucket, key, id, initiated_at, details) VALUES (?, ?, ?, ?, ?)",
    );
    this.remove = sqlite.query<unknown, [number, Buffer, string]>(
      "DELETE FROM uploads WHERE bucket = ? AND key = ? AND id = ?",
    );
    const part = "SELECT number, size, etag, modified_at, checksums, extents FROM parts WHERE upload = ?";
    this.selectPart = sqlite.query<PartRow, [string, number]>(`${part} AND number = ?`);
    this.selectParts = sqlite.query<PartRow, [string, number, number]>(
      `${part} AND number > ? ORDER BY number LIMIT ?`,
    );
    this.replacePart = sqlite.query<unknown, [string, number, number, string, number, Buffer, Buffer]>(
      `INSERT OR REPLACE INTO parts (upload, number, size, etag, modified_at, checksums, extents)
       VALUES (?, ?, ?, ?, ?, ?, ?)`,
    );
    this.removeParts = sqlite.query<unknown, [string]>("DELETE FROM parts WHERE upload = ?");
    this.selectSweep = sqlite.query<SweptPart, [string, number, number]>(
      `SELECT upload, number, extents FROM parts WHERE (upload, number) > (?, ?) ORDER BY upload, number LIMIT ?`,
    );
    this.selectIdle = sqlite.query<UploadRow & { bucket: number }, [string, number, number]>(
      `SELECT bucket, key, id, initiated_at, details FROM uploads
       WHERE id > ? AND initiated_at < ? ORDER BY id LIMIT ?`,
    );
    this.selectLastPart = sqlite.query<{ at: number | null }, [string]>(
      "SELECT max(modified_at) AS at FROM parts WHERE upload = ?",
    );
    this.selectCompletion = sqlite.query<{ request: string; response: Uint8Array }, [string]>(
      "SELECT request, response FROM completions WHERE upload = ?",
    );
    this.insertCompletion = sqlite.query<unknown, [string, number, string, Buffer]>(
      "INSERT OR REPLACE INTO completions (upload, at, request, response) VALUES (?, ?, ?, ?)",
    );
    this.removeOldCompletions = sqlite.query<unknown, [number]>("DELETE FROM completions WHERE at < ?");
    this.removeSurplusCompletions = sqlite.query<unknown, [number]>(
      `DELETE FROM completions WHERE upload IN
       (SELECT upload FROM completions ORDER BY at DESC, upload LIMIT -1 OFFSET ?)`,
    );
  }

  find(bucket: number, key: string, uploadId: string): UploadRecord | undefined {
    const row = this.selectOne.get(bucket, keyBytes(key), uploadId);
    return row ? decodeUpload(row) : undefined;
  }

  /** Whether any upload, of whichever key, has this id. */
  hasId(uploadId: string): boolean {
    return this.selectId.get(uploadId) !== null;
  }

  /** Throws `NO_SUCH_UPLOAD`. */
  get(bucket: number, key: string, uploadId: string): UploadRecord {
    const upload = this.find(bucket, key, uploadId);
    if (!upload)
      throw new MasterError("NO_SUCH_UPLOAD", "there is no such upload: it was completed or aborted");
    return upload;
  }

  /** At most `limit` uploads behind (`key`, `id`) with keys below `to`, ordered by key, then id. */
  range(bucket: number, key: Buffer, id: string, to: Buffer, limit: number): UploadRecord[] {
    return this.selectFrom.all(bucket, key, id, to, limit).map(decodeUpload);
  }

  add(bucket: number, { key, uploadId, initiatedAt, ...details }: UploadRecord): void {
    this.insert.run(bucket, keyBytes(key), uploadId, initiatedAt, pack(details));
  }

  /** Forgets an upload and its parts; the caller has seen to the references of the parts. */
  delete(bucket: number, key: string, uploadId: string): void {
    this.remove.run(bucket, keyBytes(key), uploadId);
    this.removeParts.run(uploadId);
  }

  part(uploadId: string, number: number): StoredPart | undefined {
    const row = this.selectPart.get(uploadId, number);
    return row ? decodePart(row) : undefined;
  }

  /** At most `limit` parts with numbers above `after`, in order. */
  parts(uploadId: string, after: number, limit: number): StoredPart[] {
    return this.selectParts.all(uploadId, after, limit).map(decodePart);
  }

  putPart(uploadId: string, part: StoredPart): void {
    this.replacePart.run(
      uploadId,
      part.partNumber,
      part.size,
      part.etag,
      part.modifiedAt,
      pack(part.checksums),
      packExtents(part.extents),
    );
  }

  /** At most `limit` parts of all uploads behind (`uploadId`, `number`), in that order; extents as they are packed. */
  sweep(uploadId: string, number: number, limit: number): SweptPart[] {
    return this.selectSweep.all(uploadId, number, limit);
  }

  /** At most `limit` uploads with ids above `after` that were begun before `time`, in the order of their ids. */
  begunBefore(
    time: number,
    after: string,
    limit: number,
  ): { bucket: number; key: string; uploadId: string }[] {
    return this.selectIdle.all(after, time, limit).map(({ bucket, key, id }) => {
      return { bucket, key: keyText(key), uploadId: id };
    });
  }

  /** When a part was last uploaded, ms since the epoch; 0 for none. */
  lastPartAt(uploadId: string): number {
    return this.selectLastPart.get(uploadId)?.at ?? 0;
  }

  /** What an upload that is over was completed with, if that is still remembered. */
  completion(uploadId: string): { request: string; response: Completion } | undefined {
    const row = this.selectCompletion.get(uploadId);
    return row ? { request: row.request, response: unpack<Completion>(row.response) } : undefined;
  }

  remember(uploadId: string, at: number, request: string, response: Completion): void {
    this.insertCompletion.run(uploadId, at, request, pack(response));
    this.removeOldCompletions.run(at - COMPLETION_KEPT_MS);
    this.removeSurplusCompletions.run(COMPLETIONS_MAX);
  }
}

function decodeUpload({ key, id, initiated_at, details }: UploadRow): UploadRecord {
  const rest = unpack<Omit<UploadRecord, "key" | "uploadId" | "initiatedAt">>(details);
  return { uploadId: id, key: keyText(key), initiatedAt: initiated_at, ...rest };
}

function decodePart(row: PartRow): StoredPart {
  return {
    partNumber: row.number,
    size: row.size,
    etag: row.etag,
    modifiedAt: row.modified_at,
    checksums: unpack<Record<string, string>>(row.checksums),
    extents: unpackExtents(row.extents),
  };
}
