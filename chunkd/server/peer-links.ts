// Connections to other chunkservers, one each, made when needed and shared by all chunks.
import type { Connection, Environment } from "../protocol/connection.ts";
import { dialNear } from "../protocol/dial-near.ts";
import { ProtocolError } from "../protocol/errors.ts";
import type { ClusterSecrets } from "../protocol/handshake.ts";
import { DATA_LIMITS } from "../protocol/messages.ts";

/** A peer that does not answer a call in this time is taken for dead: the connection is dropped with all it holds. */
const CALL_TIMEOUT_MS = 10_000;

type Parts = readonly Uint8Array[];

/** One connection in its life: once it has ended it stays so, and the next {@link PeerLinks.to} makes another. */
export class PeerLink {
  private connection: Connection | undefined;
  private closedBy: Error | undefined;
  /** Calls made before the connection was there, in order. */
  private waiting: (() => void)[] = [];
  private readonly closeListeners = new Set<(error: Error) => void>();

  constructor(dialing: Promise<Connection>) {
    dialing.then(
      (connection) => this.connected(connection),
      (error: unknown) => this.fail(error as Error),
    );
  }

  get closed(): boolean {
    return this.closedBy !== undefined;
  }

  /** Sends in the order of the calls. Rejects like {@link Connection.call}. */
  call(opcode: number, meta: unknown, body?: Parts): Promise<{ meta: unknown; body: Buffer }> {
    if (this.closedBy) return Promise.reject(this.closedBy);
    if (this.connection) return this.send(this.connection, opcode, meta, body);
    return new Promise((resolve, reject) => {
      this.waiting.push(() => {
        if (this.connection) this.send(this.connection, opcode, meta, body).then(resolve, reject);
        else reject(this.closedBy);
      });
    });
  }

  notify(opcode: number, meta: unknown): void {
    this.connection?.notify(opcode, meta);
  }

  /** Calls `listener` once when the connection ends, or at once when it has; returns a function that takes it back. */
  onClose(listener: (error: Error) => void): () => void {
    if (this.closedBy) listener(this.closedBy);
    else this.closeListeners.add(listener);
    return () => this.closeListeners.delete(listener);
  }

  close(error: Error): void {
    if (this.connection) this.connection.close(error);
    else this.fail(error);
  }

  private async send(
    connection: Connection,
    opcode: number,
    meta: unknown,
    body?: Parts,
  ): Promise<{ meta: unknown; body: Buffer }> {
    try {
      return await connection.call(opcode, meta, body);
    } catch (error) {
      if (error instanceof ProtocolError && error.code === "TIMEOUT") connection.close(error);
      throw error;
    }
  }

  private connected(connection: Connection): void {
    if (this.closedBy) {
      connection.close(this.closedBy);
      return;
    }
    this.connection = connection;
    this.releaseWaiting();
    connection.onClose((error) => this.fail(error));
  }

  private fail(error: Error): void {
    if (this.closedBy) return;
    this.closedBy = error;
    this.releaseWaiting();
    for (const listener of this.closeListeners) listener(error);
    this.closeListeners.clear();
  }

  private releaseWaiting(): void {
    const { waiting } = this;
    this.waiting = [];
    for (const release of waiting) release();
  }
}

export class PeerLinks {
  private readonly links = new Map<string, PeerLink>();
  private closedBy: Error | undefined;

  constructor(
    private readonly env: Environment,
    private readonly secrets: ClusterSecrets,
    private readonly selfId: string,
    /** This machine, as `thisHost` tells it; absent: TCP only. */
    private readonly host?: string,
  ) {}

  /** The link to the chunkserver at `address`; a new one when the last has ended. */
  to(address: string): PeerLink {
    const present = this.links.get(address);
    if (present && !present.closed) return present;
    const link = new PeerLink(this.closedBy ? Promise.reject(this.closedBy) : this.dial(address));
    this.links.set(address, link);
    link.onClose(() => {
      if (this.links.get(address) === link) this.links.delete(address);
    });
    return link;
  }

  close(): void {
    const error = new ProtocolError("DISCONNECTED", "this chunkserver is stopping");
    this.closedBy = error;
    for (const link of [...this.links.values()]) link.close(error);
  }

  private dial(address: string): Promise<Connection> {
    const self = { role: "chunkserver", id: this.selfId } as const;
    const options = { limits: DATA_LIMITS, timeoutMs: CALL_TIMEOUT_MS };
    return dialNear(this.env, address, this.secrets, self, options, this.host);
  }
}
