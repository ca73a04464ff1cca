import { link, mkdtemp, rename, rm } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { type BackupInfo, readBackup, writeBackup } from "../../masterd/store/backup-file.ts";
import { checkCatalog } from "../../masterd/store/restore.ts";
import { type Config, describeSettings, flag, parseConfig, text, UsageError } from "../../std/config.ts";
import { systemDisk } from "../../std/disk.ts";
import { progressOf } from "../backup/progress.ts";
import { openSource } from "../backup/source.ts";
import { type Command, CommandError, EXIT, type Output } from "../command.ts";
import { existingDataDirectory } from "../data-directory.ts";
import { DATA_SETTING } from "../data-setting.ts";
import { bytes } from "../quantities.ts";

const SETTINGS = {
  data: DATA_SETTING,
  to: text("the file to write; its directory needs room for it twice while it is checked", "FILE"),
  force: flag("replace FILE when it is there"),
  quick: flag("check the digest alone, not the catalog in it"),
};

export const backup: Command = {
  help: () => `Usage: skerry backup --to FILE [--data DIR] [--force] [--quick]

Writes the metadata of the storage to FILE (mode 0600) as it is at one moment, while the storage goes on serving, or from
a directory that nothing serves. FILE appears only when it is whole and checked.

In it: buckets, objects (names, attributes, where their bytes lie), uploads, the list of chunks.
Not in it, keep a copy of these: the objects' bytes (they are on the chunkservers), users and keys (DIR/postgres and
DIR/auth/kek, copied while stopped), the cluster's secrets (DIR/cluster.json), certificates (DIR/tls).

A backup is of use for as long as the chunks it names are there: what is deleted or compacted afterwards goes
--delete-grace-ms later (5 minutes, unless masterd is told otherwise).

${describeSettings(SETTINGS)}`,
  async run(argv, environment, output) {
    const { config, words } = parseConfig(SETTINGS, argv, environment);
    if (words.length > 0) throw new UsageError(`"${words[0]}" is one word too many`);
    const info = await writeChecked(config, output);
    output.out(
      `${resolve(config.to)}: ${info.objects} objects in ${info.buckets} buckets and ${info.chunks} chunks, ` +
        `${bytes(info.size)}, as of sequence ${info.sequence}\n`,
    );
    return EXIT.done;
  },
};

async function writeChecked(config: Config<typeof SETTINGS>, output: Output): Promise<BackupInfo> {
  const data = await existingDataDirectory(config.data);
  const to = resolve(config.to);
  const exists = new CommandError(`${to} is there already; give another name, or --force to replace it`);
  if (!config.force && (await Bun.file(to).exists())) throw exists;
  const scratch = await mkdtemp(join(dirname(to), ".skerry-backup-")).catch((error: Error) => {
    throw new CommandError(`cannot write beside ${to}: ${error.message}`);
  });
  try {
    const draft = join(scratch, "backup");
    const source = await openSource(data);
    try {
      await writeBackup(systemDisk, draft, source, progressOf(output, "written"));
    } finally {
      await source.close();
    }
    const catalog = config.quick ? undefined : join(scratch, "catalog.sqlite");
    const info = await readBackup(systemDisk, draft, catalog, progressOf(output, "checked"));
    if (catalog !== undefined) await checkCatalog(catalog, info);
    if (config.force) await rename(draft, to);
    else {
      // Unlike a rename, a link does not replace a file that has come meanwhile.
      await link(draft, to).catch((error: NodeJS.ErrnoException) => {
        throw error.code === "EEXIST" ? exists : error;
      });
    }
    await systemDisk.syncDirectory(dirname(to));
    return info;
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
}
