import type { Timer } from "../../std/clock.ts";
import type { Address } from "../../std/net.ts";
import { type Connection, EMPTY, type Environment } from "../protocol/connection.ts";
import { dialNear } from "../protocol/dial-near.ts";
import { ProtocolError, RemoteError } from "../protocol/errors.ts";
import type { ClusterSecrets } from "../protocol/handshake.ts";
import type { LocalAccess } from "../protocol/local-access.ts";
import { DATA_LIMITS } from "../protocol/messages.ts";
import { within } from "./deadline.ts";

/** Connecting and shaking hands. An address that drops packets would otherwise take minutes to fail. */
const DIAL_TIMEOUT_MS = 3_000;
/** A connection without calls for this long is closed. */
const IDLE_MS = 60_000;
/** A chunkserver that could not be reached, or did not answer in time, is the last choice for this long. */
const SUSPECT_MS = 5_000;
const ADDRESSES_MAX = 256;

interface Peer {
  connection?: Connection;
  dialing?: Promise<Connection>;
  calls: number;
  /** Monotonic ms. */
  usedAt: number;
  /** Monotonic ms; undefined while its last call went through. */
  failedAt?: number;
}

/** One connection to each chunkserver, shared by all callers, made when needed and made again when it breaks. */
export class ConnectionPool {
  private readonly peers = new Map<Address, Peer>();
  private sweeping: Timer | undefined;
  private isClosed = false;

  constructor(
    private readonly env: Environment,
    private readonly secrets: ClusterSecrets,
    /** This process's name in the logs of chunkservers. */
    private readonly id: string,
    /** This machine, as `thisHost` tells it; absent: TCP only. */
    private readonly host?: string,
  ) {}

  /**
   * Calls the chunkserver at `address`; calls to one address are sent in the order they were made. Rejects as
   * `Connection.call` does, or with Node's error when there is nobody.
   */
  call(
    address: Address,
    opcode: number,
    meta: unknown,
    body: Uint8Array | readonly Uint8Array[] = EMPTY,
    timeoutMs?: number,
  ): Promise<{ meta: unknown; body: Buffer }> {
    return this.over(address, (connection) => connection.call(opcode, meta, body, timeoutMs));
  }

  /** As {@link call}, of an answer whose body is large: see `Connection.callForPieces`. */
  callForPieces(address: Address, opcode: number, meta: unknown, timeoutMs?: number): Promise<Buffer[]> {
    return this.over(address, (connection) => connection.callForPieces(opcode, meta, timeoutMs));
  }

  private async over<T>(address: Address, call: (connection: Connection) => Promise<T>): Promise<T> {
    const peer = this.peer(address);
    peer.calls++;
    let connection = peer.connection;
    try {
      connection ??= await this.connect(address, peer);
      const answer = await call(connection);
      peer.failedAt = undefined;
      return answer;
    } catch (error) {
      // What the chunkserver answered, however bad, shows that it can be reached.
      if (error instanceof RemoteError) peer.failedAt = undefined;
      else peer.failedAt = this.env.clock.monotonic();
      // Without an answer in time it may never notice that the other end is gone: new calls get a new connection.
      if (error instanceof ProtocolError && error.code === "TIMEOUT" && peer.connection === connection) {
        peer.connection = undefined;
      }
      throw error;
    } finally {
      peer.calls--;
      peer.usedAt = this.env.clock.monotonic();
      if (connection && peer.connection !== connection && connection.inFlight === 0) connection.close();
    }
  }

  /** What the chunkserver at `address` offers on its own machine, as far as it was asked. */
  localAccess(address: Address): LocalAccess | undefined {
    return this.peers.get(address)?.connection?.local;
  }

  get closed(): boolean {
    return this.isClosed;
  }

  /** Whether the last call to `address` failed for want of an answer, and that is not long ago. */
  isSuspect(address: Address): boolean {
    const failedAt = this.peers.get(address)?.failedAt;
    return failedAt !== undefined && this.env.clock.monotonic() - failedAt < SUSPECT_MS;
  }

  /** Calls to `address` that are not answered yet. */
  callsInFlight(address: Address): number {
    return this.peers.get(address)?.calls ?? 0;
  }

  /** Ends every connection; calls in flight reject with `DISCONNECTED`. */
  close(): void {
    this.isClosed = true;
    this.sweeping?.cancel();
    for (const peer of this.peers.values()) peer.connection?.close();
    this.peers.clear();
  }

  private peer(address: Address): Peer {
    if (this.isClosed) throw new ProtocolError("DISCONNECTED", "this client is closed");
    let peer = this.peers.get(address);
    if (!peer) {
      if (this.peers.size >= ADDRESSES_MAX) this.evict();
      peer = { calls: 0, usedAt: this.env.clock.monotonic() };
      this.peers.set(address, peer);
      this.sweeping ??= this.env.clock.after(IDLE_MS, () => this.sweep());
    }
    return peer;
  }

  private connect(address: Address, peer: Peer): Promise<Connection> {
    peer.dialing ??= this.dial(address, peer).finally(() => {
      peer.dialing = undefined;
    });
    return peer.dialing;
  }

  private async dial(address: Address, peer: Peer): Promise<Connection> {
    const self = { role: "client", id: this.id } as const;
    const dialing = dialNear(this.env, address, this.secrets, self, { limits: DATA_LIMITS }, this.host);
    const late = () => {
      dialing.then((connection) => connection.close()).catch(() => {});
      return new ProtocolError("TIMEOUT", `no connection to ${address} within ${DIAL_TIMEOUT_MS} ms`);
    };
    const connection = await within(this.env.clock, DIAL_TIMEOUT_MS, dialing, late);
    if (this.isClosed) {
      connection.close();
      throw new ProtocolError("DISCONNECTED", "this client is closed");
    }
    peer.connection = connection;
    connection.onClose(() => {
      if (peer.connection === connection) peer.connection = undefined;
    });
    return connection;
  }

  private sweep(): void {
    const idleSince = this.env.clock.monotonic() - IDLE_MS;
    for (const [address, peer] of this.peers) {
      if (peer.calls === 0 && peer.usedAt <= idleSince) this.drop(address, peer);
    }
    this.sweeping = this.peers.size > 0 ? this.env.clock.after(IDLE_MS, () => this.sweep()) : undefined;
  }

  /** Makes room for another address by dropping the one that was unused for longest. */
  private evict(): void {
    let oldest: [Address, Peer] | undefined;
    for (const [address, peer] of this.peers) {
      if (peer.calls === 0 && (!oldest || peer.usedAt < oldest[1].usedAt)) oldest = [address, peer];
    }
    if (!oldest)
      throw new ProtocolError("OVERLOADED", `calls to ${ADDRESSES_MAX} chunkservers are under way`);
    this.drop(...oldest);
  }

  private drop(address: Address, peer: Peer): void {
    this.peers.delete(address);
    peer.connection?.close();
  }
}
