// Start: tell a new directory from a damaged one, open the catalog, replay the journal behind it.
import { dirname, join } from "node:path";
import type { Clock } from "../../std/clock.ts";
import type { Disk, DiskFile, DiskLock } from "../../std/disk.ts";
import type { Log } from "../../std/log.ts";
import { apply } from "../catalog/apply.ts";
import { Catalog } from "../catalog/catalog.ts";
import type { CatalogFiles } from "../catalog/catalog-files.ts";
import type { Command } from "../catalog/commands.ts";
import { CatalogDatabase } from "../catalog/database.ts";
import { unpack } from "../catalog/packing.ts";
import { createJournal, type Journal, journalStart, openJournal } from "../journal/journal.ts";
import { SEGMENT_HEADER_SIZE, segmentName } from "../journal/segment.ts";
import { DamagedStoreError, MasterError } from "./errors.ts";
import { readIdentity, writeIdentity } from "./identity.ts";
import { lockDirectory } from "./lock.ts";
import { SpaceGuard } from "./space.ts";
import { Store } from "./store.ts";

export interface StoreEnvironment {
  clock: Clock;
  disk: Disk;
  log: Log;
  /** Absent: files of the real file system. */
  catalogs?: CatalogFiles;
}

export interface StoreOptions {
  directory: string;
  clusterId: string;
  /** See SpaceGuard; bytes. */
  spaceMin?: number;
  /** See Journal; bytes. */
  segmentSizeMax?: number;
}

interface Paths {
  directory: string;
  catalog: string;
  journal: string;
}

/**
 * Opens the store in `directory`, or makes it in a directory that never held one. Throws {@link DamagedStoreError}
 * (code `NOT_READY`) when it lost something, belongs to another cluster or is in use.
 */
export async function openStore(env: StoreEnvironment, options: StoreOptions): Promise<Store> {
  const { directory } = options;
  await env.disk.mkdir(directory);
  await env.disk.syncDirectory(dirname(directory));
  const lock = await lockDirectory(env.disk, directory);
  try {
    const paths = {
      directory,
      catalog: join(directory, "catalog.sqlite"),
      journal: join(directory, "journal"),
    };
    const space = new SpaceGuard(env, directory, options.spaceMin);
    await space.refresh();
    const known = await readIdentity(env.disk, directory, options.clusterId);
    const opened = known ? await openKnown(env, options, paths) : await makeNew(env, options, paths);
    return new LockedStore({ clock: env.clock, log: env.log, ...opened, space }, lock);
  } catch (error) {
    await lock.release();
    throw error;
  }
}

class LockedStore extends Store {
  constructor(
    parts: ConstructorParameters<typeof Store>[0],
    private readonly lock: DiskLock,
  ) {
    super(parts);
  }

  override async close(): Promise<void> {
    try {
      await super.close();
    } finally {
      await this.lock.release();
    }
  }
}

async function makeNew(env: StoreEnvironment, options: StoreOptions, paths: Paths) {
  await clearInterruptedStart(env, options, paths);
  const journal = await createJournal(journalOptions(env, options, paths));
  const database = CatalogDatabase.create(paths.catalog, options.clusterId, env.catalogs);
  await database.checkpoint();
  await env.disk.syncDirectory(paths.directory);
  await writeIdentity(env.disk, paths.directory, options.clusterId);
  env.log.info("made a new master directory", { directory: paths.directory });
  return { journal, catalog: new Catalog(database) };
}

/** An empty catalog is smaller than this; one whose creation was interrupted may be unreadable. */
const EMPTY_CATALOG_SIZE_MAX = 128 << 10;

/** A directory without identity.json may hold what an interrupted first start left, but nothing acknowledged. */
async function clearInterruptedStart(
  env: StoreEnvironment,
  options: StoreOptions,
  paths: Paths,
): Promise<void> {
  const lost = (): DamagedStoreError =>
    new DamagedStoreError(`${paths.directory} holds a master's data, but its identity.json is gone`);
  const size = await fileSize(env.disk, paths.catalog);
  if (size !== undefined) {
    if (size > EMPTY_CATALOG_SIZE_MAX) throw lost();
    if ((await appliedSequence(paths.catalog, options.clusterId, env.catalogs)) > 0) throw lost();
  }
  const start = await journalStart(env.disk, paths.journal);
  if (start !== undefined) {
    const path = join(paths.journal, segmentName(start));
    const { length } = await env.disk.readFile(path);
    if (start > 1 || length > SEGMENT_HEADER_SIZE) throw lost();
    await env.disk.remove(path);
  }
  for (const path of [paths.catalog, `${paths.catalog}-wal`, `${paths.catalog}-shm`]) {
    if ((await fileSize(env.disk, path)) !== undefined) await env.disk.remove(path);
  }
}

/** Bytes of the file at `path`; undefined when there is none. */
async function fileSize(disk: Disk, path: string): Promise<number | undefined> {
  let file: DiskFile;
  try {
    file = await disk.open(path, "read");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
  try {
    return await file.size();
  } finally {
    await file.close();
  }
}

/** The sequence that a catalog has applied; 0 for one that was never finished. */
async function appliedSequence(path: string, clusterId: string, files?: CatalogFiles): Promise<number> {
  let database: CatalogDatabase;
  try {
    database = CatalogDatabase.open(path, clusterId, files);
  } catch (error) {
    if (error instanceof DamagedStoreError) return 0;
    throw error;
  }
  const { applied } = database.meta;
  await database.close();
  return applied;
}

async function openKnown(env: StoreEnvironment, options: StoreOptions, paths: Paths) {
  const database = await openCatalog(env, options, paths);
  try {
    const catalog = new Catalog(database);
    const journal = await recover(env, journalOptions(env, options, paths), catalog);
    return { journal, catalog };
  } catch (error) {
    await database.close();
    throw error;
  }
}

function journalOptions({ disk, log }: StoreEnvironment, options: StoreOptions, { journal }: Paths) {
  const { clusterId, segmentSizeMax } = options;
  return { disk, log, directory: journal, clusterId, segmentSizeMax };
}

/** The catalog as it is; or an empty one to rebuild it in, when it is lost and the journal still goes back to 1. */
async function openCatalog(
  env: StoreEnvironment,
  options: StoreOptions,
  paths: Paths,
): Promise<CatalogDatabase> {
  try {
    if ((await fileSize(env.disk, paths.catalog)) === undefined) {
      throw new DamagedStoreError(`the catalog ${paths.catalog} is missing`);
    }
    return CatalogDatabase.open(paths.catalog, options.clusterId, env.catalogs);
  } catch (error) {
    if ((await journalStart(env.disk, paths.journal)) !== 1) throw error;
    env.log.error("rebuilding the catalog from the journal", { reason: (error as Error).message });
    for (const path of [paths.catalog, `${paths.catalog}-wal`, `${paths.catalog}-shm`]) {
      if ((await fileSize(env.disk, path)) === undefined) continue;
      await env.disk.rename(path, `${path}.damaged-${env.clock.now()}`);
    }
    const rebuilt = CatalogDatabase.create(paths.catalog, options.clusterId, env.catalogs);
    // Before a checkpoint of it lets the journal forget anything, its name must last.
    await env.disk.syncDirectory(paths.directory);
    return rebuilt;
  }
}

/**
 * Applies what the journal has and the catalog lacks. The transaction stays open for the store to commit, since on a
 * full disk that may have to wait, and reads need not.
 */
async function recover(
  env: StoreEnvironment,
  options: ReturnType<typeof journalOptions>,
  catalog: Catalog,
): Promise<Journal> {
  const { database } = catalog;
  const applied = database.meta.applied;
  database.begin();
  const journal = await openJournal(options, applied, (sequence, bytes) => {
    try {
      apply(catalog, unpack<Command>(bytes));
    } catch (error) {
      if (!(error instanceof MasterError)) throw error;
      throw new DamagedStoreError(
        `command ${sequence} of the journal does not fit the catalog (${error.message})`,
      );
    }
    database.meta.applied = sequence;
  });
  const replayed = database.meta.applied - applied;
  env.log.info("the store is open", { sequence: journal.sequence, replayed });
  return journal;
}
