// What the master tells of its chunks: the one source for the command line, the dashboard and the metrics.
import type { MasterMethods, ServerStatus } from "../protocol/messages.ts";
import type { ChunkManager } from "./chunk-manager.ts";
import { replication } from "./replication.ts";

type Status = MasterMethods["status"]["response"];

export function chunkStatus(
  chunks: ChunkManager,
): Pick<Status, "servers" | "chunks" | "repair" | "garbage" | "orphans" | "leases"> {
  const { directory, servers, repairer, rebalancer, work, compactor, leases, orphans } = chunks;
  return {
    servers: servers
      .ids()
      .filter((id) => servers.state(id) !== "removed")
      .sort()
      .map((id) => serverStatus(chunks, id)),
    chunks: {
      open: directory.open.size,
      sealed: directory.sealedCount,
      deleting: directory.deleting.size,
      ...replication(directory, servers),
    },
    repair: {
      queued: repairer.queue.size,
      active: work.activeCopies,
      copiedBytes: work.copiedBytes,
      bytesPerSecond: work.bytesPerSecond,
      rebalancedBytes: rebalancer.movedBytes,
      holding: repairer.holding,
    },
    garbage: {
      ...compactor.totals,
      compacting: compactor.compacting,
      compacted: compactor.compacted,
      compactedBytes: compactor.compactedBytes,
      spaceIsShort: chunks.spaceIsShort,
    },
    orphans: orphans.status(),
    leases: leases.size,
  };
}

function serverStatus({ servers, directory }: ChunkManager, id: string): ServerStatus {
  const server = servers.get(id);
  return {
    id,
    address: server?.address ?? "",
    alive: server !== undefined && servers.isLive(server),
    state: servers.state(id),
    diskFailed: server?.diskFailed ?? false,
    totalBytes: server?.totalBytes ?? 0,
    freeBytes: server?.freeBytes ?? 0,
    chunks: directory.chunksOn(id),
    lastSeenMs: server ? Math.round(servers.silentMs(server)) : -1,
    scrub: server?.beat?.scrub ?? null,
    syncs: server?.beat?.syncs ?? null,
  };
}
