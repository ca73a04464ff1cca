import { type BackupInfo, backupPieces, type Progress } from "../../masterd/store/backup-file.ts";
import type { Disk } from "../../std/disk.ts";
import type { CloudSource } from "./cloud-source.ts";
import { ContainerWriter } from "./container-writer.ts";
import type { Secrets } from "./secrets.ts";
import { SECRETS, SECRETS_VERSION, STORAGE, STORAGE_VERSION, sectionOf } from "./services.ts";

/** Writes all of `source` to the new file `path`, durably. */
export async function writeCloudBackup(
  disk: Disk,
  path: string,
  source: CloudSource,
  secrets: Secrets,
  onProgress: Progress,
): Promise<BackupInfo> {
  const { storage, databases } = source;
  const writer = await ContainerWriter.create(disk, path);
  try {
    // The storage first: while it is read, the master keeps back its checkpoints.
    await writer.section(STORAGE, STORAGE_VERSION, backupPieces(storage, onProgress));
    await writer.section(SECRETS, SECRETS_VERSION, one(JSON.stringify(secrets)));
    for (const { name, version, body } of databases) await writer.section(sectionOf(name), version, body());
    await writer.finish(storage.info);
    return storage.info;
  } finally {
    await writer.close();
  }
}

async function* one(text: string): AsyncGenerator<Uint8Array> {
  yield Buffer.from(text);
}
