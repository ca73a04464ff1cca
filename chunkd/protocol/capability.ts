// The master's word that a chunk may be written: an HMAC over what it allows, checked by each replica without a call.
import { createHmac } from "node:crypto";
import { proofMatches } from "./handshake.ts";
import type { LeasedReplica } from "./messages.ts";

export interface WriteGrant {
  handle: number;
  version: number;
  /** Primary first. */
  replicas: LeasedReplica[];
  /** The master's wall clock, ms. */
  expiresAt: number;
}

/** 32 bytes; only holders of `controlSecret` (masterd, chunkd) can make or check it. */
export function signCapability(controlSecret: string, grant: WriteGrant): Buffer {
  let allowed = `append|${grant.handle}|${grant.version}|${grant.expiresAt}`;
  for (const { id, address, incarnation } of grant.replicas) {
    allowed += `|${id.length}:${id}=${address.length}:${address}#${incarnation}`;
  }
  return createHmac("sha256", controlSecret).update(allowed).digest();
}

export function capabilityMatches(controlSecret: string, grant: WriteGrant, capability: unknown): boolean {
  return proofMatches(signCapability(controlSecret, grant), capability);
}
