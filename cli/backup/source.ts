// Where a backup's bytes come from: the master that serves a data directory, or the directory when nobody does.
import { readClusterFile } from "../../chunkd/protocol/cluster-file.ts";
import { connectMaster, type MasterConnection } from "../../masterd/client/client.ts";
import type { BackupSource } from "../../masterd/store/backup-file.ts";
import { openStore } from "../../masterd/store/open-store.ts";
import { systemClock } from "../../std/clock.ts";
import { systemDisk } from "../../std/disk.ts";
import { silentLog } from "../../std/log.ts";
import { systemNet } from "../../std/net.ts";
import { systemRandom } from "../../std/random.ts";
import { CommandError } from "../command.ts";
import type { DataDirectory } from "../data-directory.ts";
import { runningState } from "../instance.ts";

export interface OpenSource extends BackupSource {
  close(): Promise<void>;
}

/** The master that serves `data`. Throws {@link CommandError} where none does. */
export async function dialMaster(data: DataDirectory): Promise<MasterConnection> {
  const address = runningState(data)?.masterAddress;
  if (address === undefined) throw new CommandError(`the storage master of ${data.path} has not started yet`);
  const env = { clock: systemClock, net: systemNet, random: systemRandom };
  const secrets = await readClusterFile(data.clusterFile);
  return connectMaster(env, { address, secrets, id: `cli-${process.pid}` });
}

/** The catalog as the running master hands it out. */
export async function servedSource(data: DataDirectory): Promise<OpenSource> {
  const master = await dialMaster(data);
  try {
    const { id, ...info } = await master.beginBackup(null);
    return {
      info,
      read: async (offset, length) => (await master.readBackup({ id, offset, length })).bytes,
      async close() {
        await master.endBackup({ id }).catch(() => {}); // it expires by itself
        master.close();
      },
    };
  } catch (error) {
    master.close();
    throw error;
  }
}

/** The catalog in the directory; the caller holds its lock. */
export async function stoppedSource(data: DataDirectory): Promise<OpenSource> {
  const { clusterId } = await readClusterFile(data.clusterFile);
  const env = { clock: systemClock, disk: systemDisk, log: silentLog };
  const store = await openStore(env, { directory: data.at("masterd"), clusterId });
  try {
    const { sequence, counts, catalog } = await store.snapshot();
    const info = { clusterId, sequence, takenAt: systemClock.now(), size: catalog.size, ...counts };
    return {
      info,
      async read(offset, length) {
        const bytes = Buffer.allocUnsafe(length);
        return bytes.subarray(0, await catalog.read(bytes, offset));
      },
      close: () => store.close(),
    };
  } catch (error) {
    await store.close();
    throw error;
  }
}
