import { rm, stat } from "node:fs/promises";
import { resolve } from "node:path";
import { parseClusterFile } from "../../chunkd/protocol/cluster-file.ts";
import { type BackupInfo, readBackup } from "../../masterd/store/backup-file.ts";
import { lockDirectory } from "../../masterd/store/lock.ts";
import { restoreDirectory } from "../../masterd/store/restore.ts";
import { systemClock } from "../../std/clock.ts";
import { describeSettings, flag, optionalText, parseConfig, UsageError } from "../../std/config.ts";
import { systemDisk } from "../../std/disk.ts";
import { silentLog } from "../../std/log.ts";
import { systemRandom } from "../../std/random.ts";
import { progressOf } from "../backup/progress.ts";
import { dialMaster } from "../backup/source.ts";
import { type Command, CommandError, EXIT, type Output } from "../command.ts";
import { DataDirectory, existingDataDirectory } from "../data-directory.ts";
import { DATA_SETTING } from "../data-setting.ts";
import { lockInstance } from "../instance.ts";
import { moment } from "../quantities.ts";
import { prepareSecrets } from "../up/first-start.ts";
import { markNew } from "../up/layout.ts";

const SETTINGS = {
  data: DATA_SETTING,
  from: optionalText("the backup", "FILE"),
  accept: flag("of a restored storage that runs: chunks it does not know may be removed"),
};

export const restore: Command = {
  help: () => `Usage: skerry restore --from FILE [--data DIR]
       skerry restore --accept [--data DIR]

Puts the metadata of the storage in FILE, which \`skerry backup\` wrote, in the place of what DIR has; nothing may run on
DIR. The backup is checked first: a damaged one changes nothing. What DIR had is kept as masterd.before-restore-<time>.
A DIR that is new or empty becomes the backup's cluster, with new secrets: move the chunkservers' directories there
(chunkd-1, ...) before \`skerry up\`. Users and keys are not in a backup: copy DIR/postgres and DIR/auth as well.

Objects that came after the backup are gone from the storage, but their bytes are not: chunks that the restored
metadata does not know, or in which it sees nothing that is in use, are kept until \`skerry restore --accept\`.

${describeSettings(SETTINGS)}`,
  async run(argv, environment, output) {
    const { config, words } = parseConfig(SETTINGS, argv, environment);
    if (words.length > 0) throw new UsageError(`"${words[0]}" is one word too many`);
    if (config.accept === (config.from !== undefined)) throw new UsageError("give --from FILE, or --accept");
    if (config.from === undefined) await accept(await existingDataDirectory(config.data), output);
    else await restoreFrom(resolve(config.from), new DataDirectory(config.data), output);
    return EXIT.done;
  },
};

async function accept(data: DataDirectory, output: Output): Promise<void> {
  const master = await dialMaster(data);
  try {
    const { count } = await master.discardOrphans(null);
    output.out(`${count} replicas of chunks that the storage does not know may be removed\n`);
  } finally {
    master.close();
  }
}

async function restoreFrom(from: string, data: DataDirectory, output: Output): Promise<void> {
  // Before anything is made: a file that is no backup must not leave a directory behind.
  const info = await readBackup(systemDisk, from, undefined, progressOf(output, "checked"));
  await data.prepare();
  const lock = await lockInstance(data);
  try {
    await checkCluster(data, info);
    const aside = await install(from, data, output);
    output.out(describe(info, data, aside));
  } finally {
    await lock.release();
  }
}

/** Throws {@link CommandError} when `data` is of another cluster; makes a new one the backup's. */
async function checkCluster(data: DataDirectory, { clusterId }: BackupInfo): Promise<void> {
  const cluster = Bun.file(data.clusterFile);
  if (await cluster.exists()) {
    const present = parseClusterFile(data.clusterFile, await cluster.text());
    if (present.clusterId === clusterId) return;
    throw new CommandError(`the backup is of the cluster ${clusterId}, ${data.path} of ${present.clusterId}`);
  }
  if (await isThere(data.at("masterd"))) {
    throw new CommandError(`${data.clusterFile} is missing; put it back first`);
  }
  await markNew(data);
  await prepareSecrets(data, systemRandom, clusterId);
}

/** Returns where the earlier directory is now, if there was one. */
async function install(from: string, data: DataDirectory, output: Output): Promise<string | undefined> {
  const present = data.at("masterd");
  const made = data.at("masterd.restoring");
  await rm(made, { recursive: true, force: true }); // of a restore that was interrupted
  const env = { clock: systemClock, disk: systemDisk, log: silentLog };
  try {
    await restoreDirectory(env, from, made, progressOf(output, "restored"));
  } catch (error) {
    await rm(made, { recursive: true, force: true });
    throw error;
  }
  const aside = data.at(
    `masterd.before-restore-${new Date(systemClock.now()).toISOString().replace(/[:.]/g, "-")}`,
  );
  const had = await isThere(present);
  if (had) {
    // A masterd that was started alone holds no lock on the whole.
    await (await lockDirectory(systemDisk, present)).release();
    await systemDisk.rename(present, aside);
  }
  await systemDisk.rename(made, present);
  await systemDisk.syncDirectory(data.path);
  return had ? aside : undefined;
}

async function isThere(path: string): Promise<boolean> {
  return (await stat(path).catch(() => undefined)) !== undefined;
}

function describe(info: BackupInfo, data: DataDirectory, aside: string | undefined): string {
  return [
    `restored ${info.objects} objects in ${info.buckets} buckets as of ${moment(info.takenAt)}, sequence ${info.sequence}\n`,
    aside === undefined ? "" : `the metadata before is kept in ${aside}\n`,
    `start it with: skerry up --data ${data.path}\n`,
    "chunks that came after the backup are kept until: skerry restore --accept\n",
  ].join("");
}
