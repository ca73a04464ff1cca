import { link, mkdtemp, rename, rm } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { DATABASE_SETTINGS } from "../../apis/service-databases.ts";
import { type BackupInfo, readBackup } from "../../masterd/store/backup-file.ts";
import { checkCatalog } from "../../masterd/store/restore.ts";
import { type Config, describeSettings, flag, parseConfig, text, UsageError } from "../../std/config.ts";
import { systemDisk } from "../../std/disk.ts";
import { openCloudSource } from "../backup/cloud-source.ts";
import { progressOf } from "../backup/progress.ts";
import { readCloudBackup } from "../backup/read-backup.ts";
import { readSecrets } from "../backup/secrets.ts";
import { writeCloudBackup } from "../backup/write-backup.ts";
import { type Command, CommandError, EXIT, type Output } from "../command.ts";
import { existingDataDirectory } from "../data-directory.ts";
import { DATA_SETTING } from "../data-setting.ts";
import { databaseSettings } from "../databases-file.ts";
import { bytes, counted } from "../quantities.ts";

const SETTINGS = {
  data: DATA_SETTING,
  to: text("the file to write; its directory needs room for it twice while it is checked", "FILE"),
  force: flag("replace FILE when it is there"),
  quick: flag("check the digests alone, not the catalog in it"),
  ...DATABASE_SETTINGS,
};

export const backup: Command = {
  help: () => `Usage: skerry backup --to FILE [--data DIR] [--force] [--quick]

Writes to FILE (mode 0600), while the cloud goes on serving or from a directory that nothing serves, what the chunkservers do
not have. FILE appears only when it is whole and checked. In it:

  the metadata of the storage: buckets, objects (names, attributes, where their bytes lie), uploads, the list of chunks
  the databases of all services: users, groups, roles, keys, tokens, the audit log, events that wait to be handled
  secrets: DIR/cluster.json, DIR/auth/kek, DIR/tls, DIR/credentials.json, without which it would be of no use elsewhere

Whoever has FILE has the cloud's secrets: keep it as such, encrypted where others can read.
Not in it: the objects' bytes, which are on the chunkservers, and events that NATS carries.

A backup is of use for as long as the chunks it names are there: what is deleted or compacted afterwards goes
--delete-grace-ms later (5 minutes, unless masterd is told otherwise).

The databases are looked for where the last \`skerry up\` on DIR had them, unless URLs are given.

${describeSettings(SETTINGS)}`,
  async run(argv, environment, output) {
    const { config, words } = parseConfig(SETTINGS, argv, environment);
    if (words.length > 0) throw new UsageError(`"${words[0]}" is one word too many`);
    const { info, databases, size } = await writeChecked(config, output);
    output.out(
      `${resolve(config.to)}: ${counted(info.objects, "object")} in ${counted(info.buckets, "bucket")} and ${counted(info.chunks, "chunk")}, ` +
        `as of sequence ${info.sequence}; databases ${databases.join(", ")}; the secrets of the cloud; ${bytes(size)}\n`,
    );
    return EXIT.done;
  },
};

interface Written {
  info: BackupInfo;
  databases: string[];
  /** Of the file, bytes. */
  size: number;
}

async function writeChecked(config: Config<typeof SETTINGS>, output: Output): Promise<Written> {
  const data = await existingDataDirectory(config.data);
  const settings = await databaseSettings(data, config);
  const to = resolve(config.to);
  const exists = new CommandError(`${to} is there already; give another name, or --force to replace it`);
  if (!config.force && (await Bun.file(to).exists())) throw exists;
  const scratch = await mkdtemp(join(dirname(to), ".skerry-backup-")).catch((error: Error) => {
    throw new CommandError(`cannot write beside ${to}: ${error.message}`);
  });
  try {
    const draft = join(scratch, "backup");
    const source = await openCloudSource(data, settings);
    try {
      const secrets = await readSecrets(data);
      await writeCloudBackup(systemDisk, draft, source, secrets, progressOf(output, "written"));
    } finally {
      await source.close();
    }
    const { info, storage, cloud } = await readCloudBackup(systemDisk, draft, progressOf(output, "checked"));
    if (!config.quick) {
      const catalog = join(scratch, "catalog.sqlite");
      await readBackup(systemDisk, storage, catalog);
      await checkCatalog(catalog, info);
    }
    const databases = cloud!.databases.map(({ service }) => service.name);
    const { size } = Bun.file(draft);
    if (config.force) await rename(draft, to);
    else {
      // Unlike a rename, a link does not replace a file that has come meanwhile.
      await link(draft, to).catch((error: NodeJS.ErrnoException) => {
        throw error.code === "EEXIST" ? exists : error;
      });
    }
    await systemDisk.syncDirectory(dirname(to));
    return { info, databases, size };
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
}
