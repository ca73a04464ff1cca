// How many good replicas the chunks have: what the status tells.
import { type ChunkDirectory, isWhole, type KnownChunk } from "./directory.ts";
import { REPLICAS_WANTED } from "./placement.ts";
import type { ServerTable } from "./servers.ts";

/** More good replicas than this are counted as so many. */
const COUNTED_MAX = REPLICAS_WANTED + 1;

export interface Replication {
  /** Sealed chunks by the number of their good replicas on servers that answer: [0] none, ... [4] four or more. */
  byReplicas: number[];
  /** Sealed chunks with fewer than three. */
  underReplicated: number;
  /** Bytes of the replicas that these lack. */
  underReplicatedBytes: number;
}

/** Chunks that are no suspects have their three. */
export function replication(directory: ChunkDirectory, servers: ServerTable): Replication {
  const byReplicas = new Array<number>(COUNTED_MAX + 1).fill(0);
  let underReplicated = 0;
  let underReplicatedBytes = 0;
  for (const handle of directory.suspects) {
    const chunk = directory.get(handle)!;
    const good = goodReplicas(chunk, servers);
    byReplicas[Math.min(good, COUNTED_MAX)]!++;
    if (good >= REPLICAS_WANTED) continue;
    underReplicated++;
    underReplicatedBytes += (REPLICAS_WANTED - good) * chunk.length;
  }
  byReplicas[REPLICAS_WANTED]! += directory.sealedCount - directory.suspects.size;
  return { byReplicas, underReplicated, underReplicatedBytes };
}

function goodReplicas(chunk: KnownChunk, servers: ServerTable): number {
  let good = 0;
  for (const [id, replica] of chunk.replicas) {
    const server = servers.get(id);
    const counts = server && servers.isLive(server) && !server.diskFailed && servers.state(id) !== "removed";
    if (counts && !replica.damaged && isWhole(chunk, replica)) good++;
  }
  return good;
}
