// The right to append: in memory alone. A master that restarts knows of no lease and seals every open chunk.
import { signCapability } from "../../chunkd/protocol/capability.ts";
import type { LeasedReplica } from "../../chunkd/protocol/messages.ts";
import type { Clock } from "../../std/clock.ts";
import type { Lease } from "../protocol/messages.ts";

export const LEASE_MS = 60_000;

interface Held {
  version: number;
  replicas: LeasedReplica[];
  /** Monotonic, ms. */
  endsAtMs: number;
}

export class LeaseTable {
  private readonly held = new Map<number, Held>();

  constructor(
    private readonly clock: Clock,
    private readonly controlSecret: string,
    private readonly leaseMs = LEASE_MS,
  ) {}

  grant(handle: number, version: number, replicas: LeasedReplica[]): Lease {
    this.held.set(handle, { version, replicas, endsAtMs: this.clock.monotonic() + this.leaseMs });
    return this.lease(handle, version, replicas);
  }

  /** The lease, as long again as at first; undefined when it is over. */
  renew(handle: number): Lease | undefined {
    const held = this.held.get(handle);
    if (!held || held.endsAtMs <= this.clock.monotonic()) return undefined;
    held.endsAtMs = this.clock.monotonic() + this.leaseMs;
    return this.lease(handle, held.version, held.replicas);
  }

  private lease(handle: number, version: number, replicas: LeasedReplica[]): Lease {
    const expiresAt = this.clock.now() + this.leaseMs;
    const capability = signCapability(this.controlSecret, { handle, version, replicas, expiresAt });
    return { handle, version, replicas, capability, expiresAt, validForMs: this.leaseMs };
  }

  end(handle: number): void {
    this.held.delete(handle);
  }

  /** Ends and returns the leases that are over. */
  expire(): number[] {
    const now = this.clock.monotonic();
    const over = [...this.held].filter(([, { endsAtMs }]) => endsAtMs <= now).map(([handle]) => handle);
    for (const handle of over) this.held.delete(handle);
    return over;
  }

  get size(): number {
    return this.held.size;
  }

  has(handle: number): boolean {
    return this.held.has(handle);
  }
}
