import type { LeasedReplica } from "../protocol/messages.ts";

/** The right of one process to append to a chunk, until it expires. */
export interface ChunkLease {
  handle: number;
  version: number;
  /** Primary first. */
  replicas: LeasedReplica[];
  capability: Uint8Array;
  /** The master's wall clock, ms; part of what the capability signs. */
  expiresAt: number;
  /** ms from the answer on, for a holder whose clock differs. */
  validForMs: number;
}

/** What the writer needs of the master; the master's client fits it. */
export interface LeaseSource {
  openChunks(request: { count: number }): Promise<{ leases: ChunkLease[] }>;
  /** `uncommitted`: chunks, leased or not, with data that the caller may yet commit: not to be collected meanwhile. */
  renewLeases(request: { handles: number[]; uncommitted?: number[] }): Promise<{ leases: ChunkLease[] }>;
  closeChunks(request: { handles: number[] }): Promise<null>;
}
