import type { Clock } from "../../../std/clock.ts";
import { signCapability } from "../../protocol/capability.ts";
import { ProtocolError } from "../../protocol/errors.ts";
import type { ClusterSecrets } from "../../protocol/handshake.ts";
import type { LeasedReplica, Replica } from "../../protocol/messages.ts";
import type { ChunkLease, LeaseSource } from "../leases.ts";
import type { LocationSource } from "../replica-choice.ts";

/** A master that knows nothing but leases and locations. It does not notice when a chunkserver dies. */
export class MemoryMaster implements LeaseSource, LocationSource {
  leaseMs = 60_000;
  isAway = false;
  /** Each call's handles, in order. */
  readonly opened: number[] = [];
  readonly renewed: number[] = [];
  readonly closed: number[] = [];
  /** What each renewal said is uncommitted, and when, monotonic ms. */
  readonly uncommitted: { at: number; handles: number[] }[] = [];
  readonly damage: { handle: number; replica: string }[] = [];
  /** Replicas by handle, as they were given out; a test may change what {@link locate} answers. */
  readonly locations: Record<number, Replica[]> = {};
  locateCalls = 0;
  private readonly leased = new Map<number, LeasedReplica[]>();
  private nextHandle = 1;

  constructor(
    private readonly clock: Clock,
    private readonly secrets: ClusterSecrets,
    private readonly servers: readonly LeasedReplica[],
  ) {}

  async openChunks({ count }: { count: number }): Promise<{ leases: ChunkLease[] }> {
    this.answerable();
    const leases = Array.from({ length: count }, () => {
      const handle = this.nextHandle++;
      // Each server is the primary in turn.
      const replicas = this.servers.map((_, i) => this.servers[(handle + i) % this.servers.length]!);
      this.locations[handle] = replicas.map(({ id, address }) => ({ id, address }));
      this.leased.set(
        handle,
        replicas.map(({ id, address, incarnation }) => ({ id, address, incarnation })),
      );
      this.opened.push(handle);
      return this.lease(handle);
    });
    return { leases };
  }

  async renewLeases(request: {
    handles: number[];
    uncommitted?: number[];
  }): Promise<{ leases: ChunkLease[] }> {
    this.answerable();
    const { handles, uncommitted } = request;
    if (uncommitted) this.uncommitted.push({ at: this.clock.monotonic(), handles: uncommitted });
    this.renewed.push(...handles);
    return { leases: handles.map((handle) => this.lease(handle)) };
  }

  async closeChunks({ handles }: { handles: number[] }): Promise<null> {
    this.answerable();
    this.closed.push(...handles);
    return null;
  }

  async locate({ handles }: { handles: number[] }): Promise<{ locations: Record<number, Replica[]> }> {
    this.answerable();
    this.locateCalls++;
    return { locations: Object.fromEntries(handles.map((handle) => [handle, this.locations[handle] ?? []])) };
  }

  async reportDamage(report: { handle: number; replica: string }): Promise<null> {
    this.damage.push(report);
    return null;
  }

  private lease(handle: number): ChunkLease {
    const replicas = this.leased.get(handle)!;
    const expiresAt = this.clock.now() + this.leaseMs;
    const grant = { handle, version: 1, replicas, expiresAt };
    const capability = signCapability(this.secrets.controlSecret!, grant);
    return { ...grant, capability, validForMs: this.leaseMs };
  }

  private answerable(): void {
    if (this.isAway) throw new ProtocolError("DISCONNECTED", "the master is away");
  }
}
