// Whether the cluster is short of room: then what is deleted is to be free soon, and compaction begins earlier.
import { REPLICAS_WANTED } from "./placement.ts";
import type { ServerTable } from "./servers.ts";

/** A server with less of its disk free than this has little room. */
const FREE_SHARE_MIN = 0.1;

/** Fewer than three servers have room to spare. */
export function isShortOfSpace(servers: ServerTable): boolean {
  const active = servers.live().filter(({ id }) => servers.takesReplicas(id));
  const roomy = active.filter(({ freeBytes, totalBytes }) => freeBytes > totalBytes * FREE_SHARE_MIN);
  return active.length > 0 && roomy.length < Math.min(REPLICAS_WANTED, active.length);
}
