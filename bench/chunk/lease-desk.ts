import { signCapability } from "../../chunkd/protocol/capability.ts";
import type { ClusterSecrets } from "../../chunkd/protocol/handshake.ts";
import type { LeasedReplica } from "../../chunkd/protocol/messages.ts";

const LEASE_MS = 600_000;

/** Stands for the master: chunks on all three servers, each the primary in turn. So that only chunkservers are measured. */
export class LeaseDesk {
  readonly locations: Record<number, LeasedReplica[]> = {};
  private nextHandle = 1;

  constructor(
    private readonly secrets: ClusterSecrets & { controlSecret: string },
    private readonly servers: readonly LeasedReplica[],
  ) {}

  async openChunks({ count }: { count: number }) {
    return { leases: Array.from({ length: count }, () => this.lease(this.nextHandle++)) };
  }

  async renewLeases({ handles }: { handles: number[] }) {
    return { leases: handles.map((handle) => this.lease(handle)) };
  }

  async closeChunks(): Promise<null> {
    return null;
  }

  async locate({ handles }: { handles: number[] }) {
    return { locations: Object.fromEntries(handles.map((handle) => [handle, this.locations[handle]!])) };
  }

  async reportDamage({ handle, replica }: { handle: number; replica: string }): Promise<never> {
    throw new Error(`${replica} gave bad bytes of chunk ${handle}`);
  }

  private lease(handle: number) {
    const { servers } = this;
    const replicas = servers.map((_, i) => servers[(handle + i) % servers.length]!);
    this.locations[handle] = replicas;
    const grant = { handle, version: 1, replicas, expiresAt: Date.now() + LEASE_MS };
    const capability = signCapability(this.secrets.controlSecret, grant);
    return { ...grant, capability, validForMs: LEASE_MS };
  }
}
