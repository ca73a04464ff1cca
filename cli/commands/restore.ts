import { rm, stat } from "node:fs/promises";
import { resolve } from "node:path";
import type { Verdict } from "../../apis/audit/verify.ts";
import { DATABASE_SETTINGS } from "../../apis/service-databases.ts";
import { parseClusterFile } from "../../chunkd/protocol/cluster-file.ts";
import { lockDirectory } from "../../masterd/store/lock.ts";
import { restoreDirectory } from "../../masterd/store/restore.ts";
import { systemClock } from "../../std/clock.ts";
import {
  type Config,
  describeSettings,
  flag,
  optionalText,
  parseConfig,
  UsageError,
} from "../../std/config.ts";
import { lockLauncher } from "../../std/db/launcher-lock.ts";
import { systemDisk } from "../../std/disk.ts";
import { silentLog } from "../../std/log.ts";
import { systemRandom } from "../../std/random.ts";
import { progressOf } from "../backup/progress.ts";
import { type CloudBackup, readCloudBackup } from "../backup/read-backup.ts";
import { LoadedDatabases, type RestoredDatabases } from "../backup/restore-databases.ts";
import { markRestoring, unmarkRestoring } from "../backup/restoring.ts";
import { installSecrets } from "../backup/secrets.ts";
import { dialMaster } from "../backup/source.ts";
import { type Command, CommandError, EXIT, type Output } from "../command.ts";
import { DataDirectory, existingDataDirectory } from "../data-directory.ts";
import { DATA_SETTING } from "../data-setting.ts";
import { databaseSettings } from "../databases-file.ts";
import { lockInstance } from "../instance.ts";
import { counted, moment } from "../quantities.ts";
import { forgetFirstSecrets, prepareSecrets } from "../up/first-start.ts";
import { markNew } from "../up/layout.ts";

const SETTINGS = {
  data: DATA_SETTING,
  from: optionalText("the backup", "FILE"),
  replace: flag("databases at URLs that have tables: move these into a schema before_restore_<time>"),
  accept: flag("of a restored storage that runs: chunks it does not know may be removed"),
  ...DATABASE_SETTINGS,
};

export const restore: Command = {
  help: () => `Usage: skerry restore --from FILE [--data DIR] [--replace]
       skerry restore --accept [--data DIR]

Puts what \`skerry backup\` wrote to FILE in the place of what DIR has; nothing may run on DIR. The backup is checked first: a
damaged one changes nothing. What DIR had is kept as masterd.before-restore-<time> and postgres.before-restore-<time>. A DIR
that is new or empty becomes the backup's cloud: move the chunkservers' directories there (chunkd-1, ...) before
\`skerry up\`. A file of an earlier version has the storage's metadata alone, and leaves users and keys as they are.

All sessions are ended. Passwords, keys, tokens and memberships are as they were at the backup: what was revoked since is
valid again. The audit log goes on from the backup, with an entry that tells of the restore.

Objects that came after the backup are gone from the storage, but their bytes are not: chunks that the restored
metadata does not know, or in which it sees nothing that is in use, are kept until \`skerry restore --accept\`.

Should it be stopped while it changes places, nothing starts on DIR until the same restore has run again.

The databases go where the last \`skerry up\` on DIR had them, unless URLs are given; at a URL, only into an empty one.

${describeSettings(SETTINGS)}`,
  async run(argv, environment, output) {
    const { config, words } = parseConfig(SETTINGS, argv, environment);
    if (words.length > 0) throw new UsageError(`"${words[0]}" is one word too many`);
    if (config.accept === (config.from !== undefined)) throw new UsageError("give --from FILE, or --accept");
    if (config.from === undefined) await accept(await existingDataDirectory(config.data), output);
    else await restoreFrom(resolve(config.from), new DataDirectory(config.data), config, output);
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

async function restoreFrom(
  from: string,
  data: DataDirectory,
  config: Config<typeof SETTINGS>,
  output: Output,
): Promise<void> {
  // Before anything is made: a file that is no backup must not leave a directory behind.
  const backup = await readCloudBackup(systemDisk, from, progressOf(output, "checked"));
  await data.prepare();
  await using locks = new AsyncDisposableStack();
  const lock = await lockInstance(data);
  locks.defer(() => lock.release());
  await lockParts(data, locks);
  const settings = await databaseSettings(data, config);
  await checkCluster(data, backup);
  const suffix = `.before-restore-${new Date(systemClock.now()).toISOString().replace(/[:.]/g, "-")}`;
  const metadata = await makeMetadata(backup, data, output);
  const options = { settings, replace: config.replace, suffix };
  let databases: LoadedDatabases | undefined;
  try {
    databases = backup.cloud && (await LoadedDatabases.load(data, backup, options, output));
    // At URLs there are tables by then.
    await markRestoring(
      data,
      `skerry restore --from ${from} --data ${data.path}${backup.cloud ? " --replace" : ""}`,
    );
  } catch (error) {
    await databases?.discard();
    await rm(metadata, { recursive: true, force: true });
    throw error;
  }
  const restored = await databases?.commit();
  if (backup.cloud) await installSecrets(data, backup.cloud.secrets, suffix);
  if (backup.cloud) await forgetFirstSecrets(data);
  const kept = [await installMetadata(metadata, data, suffix), await restored?.install()];
  await unmarkRestoring(data);
  output.out(describe(backup, restored, data, kept));
}

/** A masterd or a PostgreSQL that was started alone holds no lock on the whole. Throws where one runs. */
async function lockParts(data: DataDirectory, locks: AsyncDisposableStack): Promise<void> {
  const parts = [
    ["masterd", (path: string) => lockDirectory(systemDisk, path)],
    ["postgres", lockLauncher],
  ] as const;
  for (const [name, lock] of parts) {
    if (!(await isThere(data.at(name)))) continue;
    const held = await lock(data.at(name));
    locks.defer(() => held.release());
  }
}

/** Throws {@link CommandError} when `data` is of another cluster; makes a new one the backup's. */
async function checkCluster(data: DataDirectory, { info, cloud }: CloudBackup): Promise<void> {
  const { clusterId } = info;
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
  if (!cloud) await prepareSecrets(data, systemRandom, clusterId);
}

/** Returns the directory that is to become the master's. */
async function makeMetadata({ storage }: CloudBackup, data: DataDirectory, output: Output): Promise<string> {
  const made = data.at("masterd.restoring");
  await rm(made, { recursive: true, force: true }); // of a restore that was interrupted
  const env = { clock: systemClock, disk: systemDisk, log: silentLog };
  try {
    await restoreDirectory(env, storage, made, progressOf(output, "restored"));
    return made;
  } catch (error) {
    await rm(made, { recursive: true, force: true });
    throw error;
  }
}

/** Returns where the earlier directory is now, if there was one. */
async function installMetadata(
  made: string,
  data: DataDirectory,
  suffix: string,
): Promise<string | undefined> {
  const present = data.at("masterd");
  const had = await isThere(present);
  if (had) await systemDisk.rename(present, `${present}${suffix}`);
  await systemDisk.rename(made, present);
  await systemDisk.syncDirectory(data.path);
  return had ? `${present}${suffix}` : undefined;
}

async function isThere(path: string): Promise<boolean> {
  return (await stat(path).catch(() => undefined)) !== undefined;
}

function describe(
  { info }: CloudBackup,
  databases: RestoredDatabases | undefined,
  data: DataDirectory,
  kept: (string | undefined)[],
): string {
  const aside = kept.filter((path) => path !== undefined);
  return [
    `restored ${counted(info.objects, "object")} in ${counted(info.buckets, "bucket")} as of ${moment(info.takenAt)}, sequence ${info.sequence}\n`,
    databases ? describeDatabases(databases) : "",
    aside.length === 0 ? "" : `what was there is kept in ${aside.join(" and ")}\n`,
    `start it with: skerry up --data ${data.path}\n`,
    "chunks that came after the backup are kept until: skerry restore --accept\n",
  ].join("");
}

function describeDatabases({ names, sessionsEnded, audit }: RestoredDatabases): string {
  return [
    `restored the databases ${names.join(", ")}\n`,
    `ended ${sessionsEnded} sessions: everybody signs in again\n`,
    "passwords, keys, tokens and memberships are as they were then: what was revoked or changed since, revoke or change again\n",
    audit ? `${describeAudit(audit)}\n` : "",
  ].join("");
}

function describeAudit({ sound, broken, through }: Verdict): string {
  return sound
    ? `the audit log is sound; entry ${through.sequence} tells of this restore`
    : `WARNING: the audit log was damaged when the backup was taken: ${broken?.problem} at entry ${broken?.sequence}`;
}
