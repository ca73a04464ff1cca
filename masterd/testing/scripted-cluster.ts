// A master with scripted chunkservers, and what tests do with its chunks.
import { recordSize } from "../../chunkd/protocol/record.ts";
import type { Master, MasterOptions } from "../server/start.ts";
import { joinServers, type ScriptedChunkserver } from "./scripted-chunkserver.ts";
import { dataIn, NO_ATTRIBUTES, startTestMaster, until } from "./test-master.ts";

/** File offset behind `count` records of the size that dataIn makes. */
export const behind = (count: number): number => 64 + count * recordSize(1000);

export interface Cluster {
  master: Master["master"];
  address: string;
  directory: string;
  servers: ScriptedChunkserver[];
}

export async function cluster(count: number, options: Partial<MasterOptions> = {}): Promise<Cluster> {
  const started = await startTestMaster(options);
  await started.master.createBucket({ name: "bucket", owner: "u" });
  const servers = await joinServers(started.address, count);
  return { master: started.master, address: started.address, directory: started.directory, servers };
}

export async function openChunk({ master }: Cluster): Promise<number> {
  const { leases } = await master.openChunks({ count: 1 });
  return leases[0]!.handle;
}

/** Commits an object that is the `index`-th record of the chunk. */
export function commit({ master }: Cluster, handle: number, index = 0, key = `${handle}/${index}`) {
  return master.commitObject({
    bucket: "bucket",
    key,
    data: dataIn(handle, index),
    attributes: NO_ATTRIBUTES,
  });
}

export async function sealedCount({ master }: Cluster): Promise<number> {
  return (await master.status(null)).chunks.sealed;
}

export const isWhole = (server: ScriptedChunkserver, handle: number, length: number): boolean => {
  const replica = server.replicas.get(handle);
  return replica?.sealed === true && replica.length === length && replica.version === 2;
};

/** A chunk with one committed record, sealed and whole on `servers`. */
export async function sealedChunk(all: Cluster): Promise<number> {
  const handle = await openChunk(all);
  for (const server of all.servers) server.grow(handle, behind(1));
  await commit(all, handle);
  await all.master.closeChunks({ handles: [handle] });
  await until(() => all.servers.every((server) => isWhole(server, handle, behind(1))), "the chunk is sealed");
  return handle;
}

export async function located({ master }: Cluster, handle: number): Promise<string[]> {
  const { locations } = await master.locate({ handles: [handle] });
  return locations[handle]!.map(({ id }) => id).sort();
}
