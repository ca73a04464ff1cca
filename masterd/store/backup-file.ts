// A backup of the master's metadata as one file, as masterd/FORMAT.md lays it out: a header, the catalog, a digest.
import { assert } from "../../std/assert.ts";
import type { Disk, DiskFile } from "../../std/disk.ts";
import { CATALOG_FORMAT } from "../catalog/schema.ts";
import type { BackupRecord } from "../protocol/backup-record.ts";

export const BACKUP_HEADER_SIZE = 128;
const DIGEST_SIZE = 32;
const FORMAT_VERSION = 1;
const MAGIC = 0x4b424b53; // "SKBK"
/** Bytes read and written at a time. */
export const PIECE_SIZE = 4 << 20;

const AT = {
  magic: 0,
  format: 4,
  catalogFormat: 6,
  sequence: 8,
  clusterId: 16,
  takenAt: 32,
  size: 40,
  objects: 48,
  buckets: 56,
  chunks: 64,
  reserved: 72,
  crc: 124,
} as const;
assert(AT.crc + 4 === BACKUP_HEADER_SIZE, "the fields must fill the header");

/** What a backup holds, as its header tells. */
export type BackupInfo = Omit<BackupRecord, "id">;

/** The file is no backup, or not whole. Its message says what is wrong; nothing was changed. */
export class BackupError extends Error {
  override name = "BackupError";
  readonly code = "BAD_BACKUP";
}

const NUMBERS = ["sequence", "takenAt", "size", "objects", "buckets", "chunks"] as const;

export function encodeBackupHeader(info: BackupInfo): Buffer {
  const header = Buffer.alloc(BACKUP_HEADER_SIZE);
  header.writeUInt32LE(MAGIC, AT.magic);
  header.writeUInt16LE(FORMAT_VERSION, AT.format);
  header.writeUInt16LE(CATALOG_FORMAT, AT.catalogFormat);
  header.write(info.clusterId, AT.clusterId, 16, "hex");
  for (const name of NUMBERS) header.writeBigUInt64LE(BigInt(info[name]), AT[name]);
  header.writeUInt32LE(Bun.hash.crc32(header.subarray(0, AT.crc)), AT.crc);
  return header;
}

/** Throws {@link BackupError} for what is no header of a backup that this version can read. */
export function decodeBackupHeader(header: Buffer): BackupInfo {
  if (header.length < BACKUP_HEADER_SIZE || header.readUInt32LE(AT.magic) !== MAGIC) {
    throw new BackupError("it is no backup of skerry");
  }
  if (header.readUInt32LE(AT.crc) !== Bun.hash.crc32(header.subarray(0, AT.crc))) {
    throw new BackupError("its header is damaged");
  }
  const format = header.readUInt16LE(AT.format);
  const catalogFormat = header.readUInt16LE(AT.catalogFormat);
  if (format !== FORMAT_VERSION || catalogFormat > CATALOG_FORMAT) {
    throw new BackupError(`a newer version of skerry made it (format ${format}, catalog ${catalogFormat})`);
  }
  const number = (name: (typeof NUMBERS)[number]): number => Number(header.readBigUInt64LE(AT[name]));
  return {
    clusterId: header.toString("hex", AT.clusterId, AT.clusterId + 16),
    sequence: number("sequence"),
    takenAt: number("takenAt"),
    size: number("size"),
    objects: number("objects"),
    buckets: number("buckets"),
    chunks: number("chunks"),
  };
}

/** Where the bytes of a catalog come from: a master that goes on serving, or a directory that nobody serves. */
export interface BackupSource {
  info: BackupInfo;
  /** At most `length` bytes of the catalog from `offset` on. Empty only at its end. */
  read(offset: number, length: number): Promise<Uint8Array>;
}

export type Progress = (doneBytes: number, totalBytes: number) => void;

/** Header, catalog and digest, piece by piece. Throws {@link BackupError} for a source that ends too early. */
export async function* backupPieces(
  source: BackupSource,
  onProgress: Progress = () => {},
): AsyncGenerator<Uint8Array> {
  const { info } = source;
  const header = encodeBackupHeader(info);
  const digest = new Bun.CryptoHasher("sha256").update(header);
  yield header;
  let next = source.read(0, Math.min(PIECE_SIZE, info.size));
  for (let done = 0; done < info.size; ) {
    const bytes = await next;
    if (bytes.length === 0) throw new BackupError(`the catalog ended at ${done} of ${info.size} bytes`);
    const end = done + bytes.length;
    // The next piece is under way while this one is hashed and written.
    if (end < info.size) next = source.read(end, Math.min(PIECE_SIZE, info.size - end));
    next.catch(() => {}); // awaited above, unless whoever takes the pieces fails first
    digest.update(bytes);
    yield bytes;
    done = end;
    onProgress(done, info.size);
  }
  yield digest.digest();
}

/** Writes a backup to the new file `path` and syncs it. */
export async function writeBackup(
  disk: Disk,
  path: string,
  source: BackupSource,
  onProgress?: Progress,
): Promise<void> {
  const file = await disk.open(path, "create");
  try {
    let written = 0;
    for await (const piece of backupPieces(source, onProgress)) {
      await file.write([piece], written);
      written += piece.length;
    }
    await file.sync();
  } finally {
    await file.close();
  }
}

/** A backup that lies inside a file. */
export interface FilePart {
  path: string;
  offset: number;
  size: number;
}

/**
 * Reads the backup at `from` (a path: the whole file) and checks its digest; with `extractTo`, writes its catalog to that new
 * file and syncs it. Throws {@link BackupError} for what is no backup, or was cut short or changed.
 */
export async function readBackup(
  disk: Disk,
  from: string | FilePart,
  extractTo: string | undefined,
  onProgress: Progress = () => {},
): Promise<BackupInfo> {
  const { path, offset, size: partSize } = typeof from === "string" ? wholeFile(from) : from;
  const file = await disk.open(path, "read");
  try {
    const header = Buffer.alloc(BACKUP_HEADER_SIZE);
    const headed = await file.read(header, offset);
    const info = decodeBackupHeader(header.subarray(0, headed));
    const size = partSize ?? (await file.size());
    const expected = BACKUP_HEADER_SIZE + info.size + DIGEST_SIZE;
    if (size !== expected) throw new BackupError(`it has ${size} bytes instead of ${expected}`);
    const target = extractTo === undefined ? undefined : await disk.open(extractTo, "create");
    try {
      const digest = new Bun.CryptoHasher("sha256").update(header);
      const catalogAt = offset + BACKUP_HEADER_SIZE;
      await copyCatalog(file, catalogAt, target, info.size, digest, onProgress);
      const kept = Buffer.alloc(DIGEST_SIZE);
      await file.read(kept, catalogAt + info.size);
      if (!digest.digest().equals(kept)) throw new BackupError("its digest does not match: it is damaged");
      await target?.sync();
    } finally {
      await target?.close();
    }
    return info;
  } finally {
    await file.close();
  }
}

function wholeFile(path: string): { path: string; offset: number; size?: number } {
  return { path, offset: 0 };
}

async function copyCatalog(
  from: DiskFile,
  offset: number,
  to: DiskFile | undefined,
  size: number,
  digest: Bun.CryptoHasher,
  onProgress: Progress,
): Promise<void> {
  const piece = Buffer.alloc(PIECE_SIZE);
  for (let done = 0; done < size; ) {
    const part = piece.subarray(0, Math.min(PIECE_SIZE, size - done));
    const count = await from.read(part, offset + done);
    if (count < part.length) throw new BackupError("it ended before its time");
    digest.update(part);
    await to?.write([part], done);
    done += count;
    onProgress(done, size);
  }
}
