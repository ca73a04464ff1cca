import { dirname } from "node:path";
import type { Disk, DiskLock } from "../../std/disk.ts";
import { ChunkFiles } from "./chunk-files.ts";
import { ChunkStore, type StoreEnvironment } from "./chunk-store.ts";
import { DiskHealth } from "./disk-health.ts";
import { DirectoryError, systemCode } from "./errors.ts";
import { claimDirectory } from "./identity.ts";
import { chunksDirectory } from "./names.ts";
import { recoverChunks } from "./recovery.ts";

export interface StoreOptions {
  directory: string;
  clusterId: string;
  /** Absent: the id on disk, or for a new directory {@link newServerId}. */
  serverId: string | undefined;
  newServerId(): string;
}

/**
 * Locks and claims the directory and recovers its chunks.
 * Rejects with {@link DirectoryError} for a directory in use, of another cluster or server, or of a newer format.
 */
export async function openChunkStore(env: StoreEnvironment, options: StoreOptions): Promise<ChunkStore> {
  const { disk, log } = env;
  const { directory, clusterId } = options;
  const chunks = chunksDirectory(directory);
  await disk.mkdir(chunks);
  await disk.syncDirectory(dirname(directory));
  await disk.syncDirectory(directory);
  const lock = await lockDirectory(disk, directory);
  try {
    const wanted = { clusterId, serverId: options.serverId };
    const { serverId } = await claimDirectory(disk, directory, wanted, options.newServerId);
    const health = new DiskHealth(disk, directory, env.clock, log);
    await health.recall();
    await health.refresh();
    const found = await recoverChunks({ ...env, health, clusterId, directory: chunks });
    const files = new ChunkFiles(env, health, chunks, clusterId);
    return new ChunkStore(env, { serverId, health, files, lock }, found);
  } catch (error) {
    await lock.release();
    throw error;
  }
}

async function lockDirectory(disk: Disk, directory: string): Promise<DiskLock> {
  try {
    return await disk.lock(`${directory}/lock`);
  } catch (error) {
    if (systemCode(error) !== "EWOULDBLOCK") throw error;
    throw new DirectoryError(
      `${directory} is in use by another chunkserver: stop that one, or give --dir another directory`,
    );
  }
}
