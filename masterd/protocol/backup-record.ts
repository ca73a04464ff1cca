/** What a backup is of: the answer to beginBackup. */
export interface BackupRecord {
  id: string;
  clusterId: string;
  /** The journal's sequence that it is as of. */
  sequence: number;
  /** ms since the epoch. */
  takenAt: number;
  /** Bytes of the catalog file. */
  size: number;
  objects: number;
  buckets: number;
  chunks: number;
}
/** Bytes in one answer to readBackup. */
export const BACKUP_PIECE_MAX = 8 << 20;
