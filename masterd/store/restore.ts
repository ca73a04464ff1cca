// Makes a master's directory out of a backup.
import { join } from "node:path";
import type { Clock } from "../../std/clock.ts";
import type { Disk } from "../../std/disk.ts";
import type { Log } from "../../std/log.ts";
import type { CatalogFiles } from "../catalog/catalog-files.ts";
import { CatalogDatabase } from "../catalog/database.ts";
import { createJournal } from "../journal/journal.ts";
import { BackupError, type BackupInfo, type FilePart, type Progress, readBackup } from "./backup-file.ts";
import { writeIdentity } from "./identity.ts";

export interface RestoreEnvironment {
  clock: Clock;
  disk: Disk;
  log: Log;
  /** Absent: files of the real file system. */
  catalogs?: CatalogFiles;
}

/**
 * Checks the backup at `from` (a path: the whole file) as a whole, then makes `directory`, which must not exist, a master's directory that goes
 * on behind the backup's sequence. Chunks that it does not know are kept until the operator says otherwise. Throws
 * {@link BackupError} for a backup that is damaged; the caller removes what was made by then.
 */
export async function restoreDirectory(
  env: RestoreEnvironment,
  from: string | FilePart,
  directory: string,
  onProgress?: Progress,
): Promise<BackupInfo> {
  const { disk, log } = env;
  await disk.mkdir(directory);
  const catalog = join(directory, "catalog.sqlite");
  const info = await readBackup(disk, from, catalog, onProgress);
  await takeCatalog(catalog, info, env);
  const journal = join(directory, "journal");
  const { clusterId, sequence } = info;
  await (await createJournal({ disk, log, directory: journal, clusterId }, sequence)).close();
  await disk.syncDirectory(directory);
  await writeIdentity(disk, directory, clusterId);
  return info;
}

/** Throws {@link BackupError} unless the catalog at `path` is whole and what `info` says. Changes nothing in it. */
export async function checkCatalog(path: string, info: BackupInfo): Promise<void> {
  const database = openCatalog(path, info);
  try {
    check(database, info);
  } finally {
    await database.close();
  }
}

async function takeCatalog(
  path: string,
  info: BackupInfo,
  { clock, catalogs }: RestoreEnvironment,
): Promise<void> {
  const database = openCatalog(path, info, catalogs);
  const now = clock.now();
  try {
    check(database, info);
    database.begin();
    database.meta.orphansHeldSince = now;
    // By this the chunkservers tell it from an older copy of the master, also when the clock was set back.
    database.meta.restoredAt = Math.max(now, database.meta.restoredAt + 1);
    database.commit();
    if (!(await database.checkpoint()))
      throw new BackupError("the restored catalog could not be made durable");
  } finally {
    await database.close();
  }
}

function openCatalog(path: string, { clusterId }: BackupInfo, catalogs?: CatalogFiles): CatalogDatabase {
  try {
    return CatalogDatabase.open(path, clusterId, catalogs);
  } catch (error) {
    throw new BackupError(`its catalog cannot be opened (${(error as Error).message})`);
  }
}

function check({ sqlite, meta }: CatalogDatabase, info: BackupInfo): void {
  const rows = sqlite.query<{ quick_check: string }, []>("PRAGMA quick_check(1)").all();
  if (rows[0]?.quick_check !== "ok") throw new BackupError(`its catalog is damaged: ${rows[0]?.quick_check}`);
  const count = (table: string): number =>
    sqlite.query<{ count: number }, []>(`SELECT count(*) AS count FROM ${table}`).get()!.count;
  const found = {
    sequence: meta.applied,
    objects: count("objects"),
    buckets: count("buckets"),
    chunks: count("chunks"),
  };
  for (const [name, value] of Object.entries(found)) {
    const expected = info[name as keyof typeof found];
    if (value !== expected)
      throw new BackupError(`its catalog has ${value} for ${name} instead of ${expected}`);
  }
}
