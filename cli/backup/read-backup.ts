// What a file that is to be restored holds, whichever version wrote it. All of it is checked before anything is told.
import {
  BackupError,
  type BackupInfo,
  type FilePart,
  type Progress,
  readBackup,
} from "../../masterd/store/backup-file.ts";
import type { Disk } from "../../std/disk.ts";
import { type Container, readContainer, readSection, type Section } from "./container-reader.ts";
import { parseSecrets, SECRETS_SIZE_MAX, type Secrets } from "./secrets.ts";
import {
  SECRETS,
  SECRETS_VERSION,
  SERVICES,
  type Service,
  STORAGE,
  STORAGE_VERSION,
  sectionOf,
} from "./services.ts";

export interface CloudBackup {
  /** Of the storage's metadata. */
  info: BackupInfo;
  storage: string | FilePart;
  /** Absent where an earlier version wrote the storage's metadata alone. */
  cloud?: {
    secrets: Secrets;
    databases: { service: Service; section: Section }[];
  };
}

/** Throws {@link BackupError} for a file that is no backup, is not whole, or was made by a newer version. */
export async function readCloudBackup(disk: Disk, path: string, onProgress?: Progress): Promise<CloudBackup> {
  const container = await readContainer(disk, path, onProgress);
  if (!container) return { info: await readBackup(disk, path, undefined, onProgress), storage: path };
  refuseUnknown(container);
  const storage = find(container, STORAGE);
  const info = await readBackup(disk, storage, undefined);
  if (info.clusterId !== container.clusterId) throw new BackupError("its parts are of different clusters");
  const secrets = parseSecrets(await textOf(disk, find(container, SECRETS)));
  const databases = SERVICES.flatMap((service) => {
    const name = sectionOf(service.name);
    // NATS may have carried the events.
    if (service.name === "events" && !container.sections.has(name)) return [];
    return [{ service, section: find(container, name) }];
  });
  return { info, storage, cloud: { secrets, databases } };
}

function refuseUnknown({ sections }: Container): void {
  const newest = new Map([
    [STORAGE, STORAGE_VERSION],
    [SECRETS, SECRETS_VERSION],
    ...SERVICES.map(({ name, migrations }) => [sectionOf(name), migrations.length] as const),
  ]);
  for (const { name, version } of sections.values()) {
    const known = newest.get(name);
    if (known !== undefined && version <= known) continue;
    throw new BackupError(
      `a newer version of skerry made it (${name} is at version ${version}, this one knows ${known ?? "none"})`,
    );
  }
}

function find({ sections }: Container, name: string): Section {
  const section = sections.get(name);
  if (!section) throw new BackupError(`it has no section ${name}`);
  return section;
}

async function textOf(disk: Disk, section: Section): Promise<string> {
  if (section.size > SECRETS_SIZE_MAX) throw new BackupError(`its section ${section.name} is too large`);
  let text = "";
  const decoder = new TextDecoder();
  for await (const piece of readSection(disk, section)) text += decoder.decode(piece, { stream: true });
  return text + decoder.decode();
}
