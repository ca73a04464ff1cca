import { capabilityMatches, type WriteGrant } from "../protocol/capability.ts";
import type { LeasedReplica } from "../protocol/messages.ts";
import { ChunkError } from "../store/errors.ts";
import type { MasterClock } from "./master-clock.ts";

/** The chunkserver that is asked, as leases name it. */
export type Self = Pick<LeasedReplica, "id" | "incarnation">;

/**
 * Throws `BAD_CAPABILITY` unless the master allowed this write to `self` and its lease still runs; `STALE_VERSION` when
 * the lease is from before the start of `self`: it may have lost appends of it, and must not give out their offsets again.
 */
export function checkGrant(
  grant: WriteGrant & { capability: Uint8Array },
  self: Self,
  controlSecret: string,
  masterClock: MasterClock,
): void {
  if (!capabilityMatches(controlSecret, grant, grant.capability)) {
    throw new ChunkError("BAD_CAPABILITY", `the capability is not the master's for chunk ${grant.handle}`);
  }
  const now = masterClock.now();
  if (now === undefined) {
    throw new ChunkError("BAD_CAPABILITY", "this chunkserver has not heard from the master since it started");
  }
  if (now >= grant.expiresAt) {
    throw new ChunkError("BAD_CAPABILITY", `the lease of chunk ${grant.handle} has expired: renew it`);
  }
  const own = grant.replicas.find(({ id }) => id === self.id);
  if (!own) throw new ChunkError("BAD_CAPABILITY", `chunk ${grant.handle} is not for this chunkserver`);
  if (own.incarnation !== self.incarnation) {
    const why = `${self.id} has started again since chunk ${grant.handle} was leased: use a fresh chunk`;
    throw new ChunkError("STALE_VERSION", why);
  }
}
