// The production programs, as they are, on simulated nodes. They are imported only here and only when asked for, so that
// a broken build can be put in their place before.

import type { ObjectStore } from "../../apis/storage/objects.ts";
import type { ChunkReader } from "../../chunkd/client/reader.ts";
import type { ChunkWriter } from "../../chunkd/client/writer.ts";
import type { ClusterSecrets } from "../../chunkd/protocol/handshake.ts";
import type { ReadRequest } from "../../chunkd/protocol/messages.ts";
import type { Chunkserver, ChunkserverOptions } from "../../chunkd/server/chunkserver.ts";
import type { MasterConnection } from "../../masterd/client/client.ts";
import type { Master, MasterOptions } from "../../masterd/server/start.ts";
import { applyBrokenBuild, type BrokenBuild } from "./broken-builds.ts";
import type { ProgramEnvironment, SimNode } from "./node.ts";

export const SECRETS: ClusterSecrets & { controlSecret: string } = {
  clusterId: "5eed5eed5eed5eed5eed5eed5eed5eed",
  clusterSecret: "c1".repeat(16),
  controlSecret: "c2".repeat(16),
};

export const MASTER_PORT = 9000;
export const CHUNKSERVER_PORT = 7000;

const READ_TIMEOUT_MS = 3_000;

/** A process that uses the cluster, as an API process does. */
export interface Client {
  store: ObjectStore;
  master: MasterConnection;
  writer: ChunkWriter;
  reader: ChunkReader;
  /** Writes a backup of the master to `path` of this node's disk. */
  takeBackup(path: string): Promise<void>;
  /** Asks the chunkserver at `address` for a record, whatever the master says of it. Resolves with head and blocks. */
  readRecord(address: string, request: ReadRequest): Promise<Buffer>;
  /** The process's own environment: what waits on its clock dies with it. */
  env: ProgramEnvironment;
  close(): Promise<void>;
}

export interface Roles {
  /**
   * Serves at `<node>:9000` from /data/master. Where the store fails the process ends, as it does for real: `onExit`
   * then hears of it, and may restart the node.
   */
  startMaster(
    node: SimNode,
    options?: Partial<MasterOptions>,
    onExit?: (error: Error) => void,
  ): Promise<Master>;
  /** Serves at `<node>:7000` from /data/chunks, with the node's name for its id. */
  startChunkserver(node: SimNode, options: Partial<ChunkserverOptions>): Promise<Chunkserver>;
  /** Makes a master's directory of the backup at `path` of the node's disk, where none runs. */
  restoreMaster(node: SimNode, path: string): Promise<void>;
  startClient(node: SimNode, options: { master: string }): Promise<Client>;
}

/** `broken`: in place of the production code a build that lacks one of its safeties; only once in a process. */
export async function loadRoles({ broken }: { broken?: BrokenBuild } = {}): Promise<Roles> {
  const applied = broken && applyBrokenBuild(broken);
  const { startMaster } = await import("../../masterd/server/start.ts");
  const { startChunkserver } = await import("../../chunkd/server/chunkserver.ts");
  const { connectMaster } = await import("../../masterd/client/client.ts");
  const { ChunkWriter } = await import("../../chunkd/client/writer.ts");
  const { ChunkReader } = await import("../../chunkd/client/reader.ts");
  const { ObjectStore } = await import("../../apis/storage/objects.ts");
  const { ConnectionPool } = await import("../../chunkd/client/pool.ts");
  const { ChunkOp } = await import("../../chunkd/protocol/messages.ts");
  const { writeBackup } = await import("../../masterd/store/backup-file.ts");
  const { restoreDirectory } = await import("../../masterd/store/restore.ts");
  applied?.assertLoaded();
  return {
    startMaster: (node, options = {}, onExit = () => {}) =>
      node.start(async (env) => {
        const listen = `${node.name}:${MASTER_PORT}`;
        const master = await startMaster(env, {
          directory: "/data/master",
          listen,
          secrets: SECRETS,
          ...options,
        });
        master.failed.catch((error: Error) => {
          node.crash();
          onExit(error);
        });
        return master;
      }),
    startChunkserver: (node, options) =>
      node.start((env) => {
        const listen = `${node.name}:${CHUNKSERVER_PORT}`;
        const own = { directory: "/data/chunks", id: node.name, listen, secrets: SECRETS };
        return startChunkserver(env, { ...own, ...options });
      }),
    restoreMaster: async (node, path) => {
      await node.start((env) => restoreDirectory(env, path, "/data/master"));
      node.crash();
    },
    startClient: (node, options) =>
      node.start(async (env) => {
        const id = `${node.name}-${env.random.bytes(4).toString("hex")}`;
        const master = connectMaster(env, { address: options.master, secrets: SECRETS, id });
        const writer = new ChunkWriter(env, SECRETS, master, { id });
        const reader = new ChunkReader(env, SECRETS, master, { id });
        const store = new ObjectStore({ master, writer, reader, clock: env.clock });
        const pool = new ConnectionPool(env, SECRETS, id);
        const readRecord = async (address: string, request: ReadRequest): Promise<Buffer> =>
          (await pool.call(address, ChunkOp.read, request, undefined, READ_TIMEOUT_MS)).body;
        const end = async (): Promise<void> => {
          pool.close();
          await close(writer, reader, master);
        };
        const takeBackup = async (path: string): Promise<void> => {
          const { id: backup, ...info } = await master.beginBackup(null);
          const read = async (offset: number, length: number): Promise<Uint8Array> =>
            (await master.readBackup({ id: backup, offset, length })).bytes;
          await writeBackup(env.disk, path, { info, read });
          await master.endBackup({ id: backup });
        };
        return { store, master, writer, reader, takeBackup, readRecord, env, close: end };
      }),
  };
}

async function close(writer: ChunkWriter, reader: ChunkReader, master: MasterConnection): Promise<void> {
  await writer.close();
  await reader.close();
  master.close();
}
