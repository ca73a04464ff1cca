// The master as the API sees it: one typed function a method, over one connection that is made again when it breaks.

import { type Connection, dial, type Environment } from "../../chunkd/protocol/connection.ts";
import { ProtocolError, RemoteError } from "../../chunkd/protocol/errors.ts";
import type { ClusterSecrets } from "../../chunkd/protocol/handshake.ts";
import { delay } from "../../std/clock.ts";
import type { Address } from "../../std/net.ts";
import { MASTER_LIMITS, type MasterMethod, type MasterMethods, METHODS } from "../protocol/messages.ts";

/** Throws {@link RemoteError} with a {@link MasterErrorCode}, or {@link ProtocolError} when the master is not there. */
export type MasterClient = {
  [M in MasterMethod]: (request: MasterMethods[M]["request"]) => Promise<MasterMethods[M]["response"]>;
};

/** A client and the connection behind it. */
export type MasterConnection = MasterClient & { close(): void };

export interface MasterClientOptions {
  address: Address;
  secrets: ClusterSecrets;
  /** This process's name in the master's logs. */
  id: string;
  /** Calls that may be repeated wait this long for a master that is restarting, ms. */
  patienceMs?: number;
}

/** Safe to send again when an answer was lost: they change nothing, or change the same thing to the same. */
const REPEATABLE: ReadonlySet<MasterMethod> = new Set([
  "getBucket",
  "setBucketOwner",
  "listBuckets",
  "openChunks",
  "renewLeases",
  "closeChunks",
  "locate",
  "getObject",
  "headObject",
  "listObjects",
  "getUpload",
  "commitPart",
  "abortUpload",
  "listParts",
  "listUploads",
  "status",
  "listChunkservers",
  "drainChunkserver",
  "undrainChunkserver",
  "removeChunkserver",
  "discardOrphans",
  "scrubChunkserver",
]);

const PATIENCE_MS = 10_000;
const RETRY_MIN_MS = 25;
const RETRY_MAX_MS = 1_000;

/** The master did not get the call: it may be made again whatever it is. */
class NotSentError extends ProtocolError {}

/**
 * The master at `options.address`, dialled with the first call. While it is away, calls that did not reach it and
 * calls that may be repeated wait for it up to `patienceMs`; a call whose answer was lost and that must not be
 * repeated rejects with its {@link ProtocolError}: whether it was done is then unknown.
 */
export function connectMaster(env: Environment, options: MasterClientOptions): MasterConnection {
  const link = new MasterLink(env, options);
  const methods = Object.keys(METHODS).map((name) => [
    name,
    (request: unknown) => link.call(name as MasterMethod, request),
  ]);
  return { ...(Object.fromEntries(methods) as MasterClient), close: () => link.close() };
}

class MasterLink {
  private connection: Connection | undefined;
  private dialling: Promise<Connection> | undefined;
  private closed = false;

  constructor(
    private readonly env: Environment,
    private readonly options: MasterClientOptions,
  ) {}

  async call(method: MasterMethod, request: unknown): Promise<unknown> {
    const { clock } = this.env;
    const deadlineMs = clock.monotonic() + (this.options.patienceMs ?? PATIENCE_MS);
    for (let attempt = 0; ; attempt++) {
      try {
        const connection = await this.connected();
        return (await connection.call(METHODS[method], request)).meta;
      } catch (error) {
        const left = deadlineMs - clock.monotonic();
        if (this.closed || left <= 0 || !mayRepeat(method, error)) throw error;
        await delay(clock, Math.min(left, this.backOffMs(attempt)));
      }
    }
  }

  /** Doubled each time, and a random half of it, so that many callers do not come back as one. */
  private backOffMs(attempt: number): number {
    const wait = Math.min(RETRY_MAX_MS, RETRY_MIN_MS * 2 ** Math.min(attempt, 10));
    return wait * (0.5 + this.env.random.float() / 2);
  }

  private connected(): Promise<Connection> {
    if (this.closed) return Promise.reject(new NotSentError("DISCONNECTED", "this client is closed"));
    if (this.connection && !this.connection.closed) return Promise.resolve(this.connection);
    this.dialling ??= this.dial().finally(() => {
      this.dialling = undefined;
    });
    return this.dialling;
  }

  private async dial(): Promise<Connection> {
    const { address, secrets, id } = this.options;
    const self = { role: "client", id } as const;
    try {
      this.connection = await dial(this.env, { address, role: "master" }, secrets, self, {
        limits: MASTER_LIMITS,
      });
    } catch (error) {
      if (error instanceof RemoteError) throw error;
      if (error instanceof ProtocolError && error.code === "UNAUTHENTICATED") throw error;
      throw new NotSentError("DISCONNECTED", `no master at ${address}`, { cause: error });
    }
    if (this.closed) this.connection.close();
    return this.connection;
  }

  close(): void {
    this.closed = true;
    this.connection?.close();
  }
}

function mayRepeat(method: MasterMethod, error: unknown): boolean {
  if (error instanceof NotSentError) return true;
  if (!REPEATABLE.has(method)) return false;
  if (error instanceof RemoteError) return error.code === "NOT_READY";
  return error instanceof ProtocolError && (error.code === "DISCONNECTED" || error.code === "TIMEOUT");
}
