// Calls and answers over one stream: many in flight, answered in any order, in both directions.
// Bodies are passed on without a copy.
import { assert, InvariantError } from "../../std/assert.ts";
import type { Clock } from "../../std/clock.ts";
import type { Address, FileRange, Net, Socket, SocketHandlers } from "../../std/net.ts";
import type { Random } from "../../std/random.ts";
import { connectWithin } from "./connect.ts";
import { disconnected, errorMeta, remoteError } from "./error-meta.ts";
import { ProtocolError, RemoteError } from "./errors.ts";
import { FrameDecoder, type FrameHeader, FrameKind, type FrameLimits } from "./frame.ts";
import { type ClusterSecrets, handshakeProof, NONCE_SIZE, proofMatches, type Role } from "./handshake.ts";
import { type LocalAccess, localAccess } from "./local-access.ts";
import { decodeMeta, EMPTY, encodeMessage } from "./message.ts";
import { PendingCalls } from "./pending-calls.ts";
import type { Progress } from "./progress.ts";
import { UntakenAnswers } from "./untaken-answers.ts";
import type { WireStats } from "./wire-stats.ts";

export { EMPTY, PackedMeta } from "./message.ts";

export interface Reply {
  /** Anything that msgpack carries. */
  meta: unknown;
  /** A file's bytes only where the system can send them: `canSendFile`. */
  body?: Uint8Array | readonly Uint8Array[] | FileRange;
  /** Called once the peer has taken the answer, or never will. */
  taken?(): void;
}

/** Answers one request or takes one notification. Throws {@link RemoteError} for an error with a code of its own. */
export type Handler = (
  opcode: number,
  meta: unknown,
  body: Buffer,
  from: Connection,
  /** The body, where it came as pieces; `body` is then empty. */
  pieces?: Buffer[],
) => Reply | Promise<Reply>;

export interface ConnectionOptions {
  clock: Clock;
  limits: FrameLimits;
  /** Absent on a side that only calls. */
  handler?: Handler;
  /** Operations whose handler takes a large body as the pieces that it came in, uncopied. */
  inPieces?: ReadonlySet<number>;
  /** How long a call waits for its answer, in ms, unless the call says otherwise. */
  timeoutMs?: number;
  /** Requests of the peer under way at once; above it this side stops reading. */
  inFlightMax?: number;
  /** Bytes queued for a peer that does not read; above it this side stops reading its requests. */
  queuedBytesMax?: number;
  /** Counts what the peer asks of this side. */
  stats?: WireStats;
}

const DEFAULTS = { timeoutMs: 30_000, inFlightMax: 256, queuedBytesMax: 8 << 20 };

/** Opcodes of this layer itself; services start at 16. */
export const Op = { auth: 1, hello: 2, ping: 3 } as const;

export const HANDSHAKE_TIMEOUT_MS = 5_000;
/** A peer that is shown the door has so long to go by itself, ms. */
const LINGER_MS = 1_000;
/** Ends that no last word could tell of. */
const WITHOUT_GOODBYE: ReadonlySet<string> = new Set(["DISCONNECTED", "TIMEOUT"]);
/** Names no call: an error frame that carries it ends the connection. */
const GOODBYE_ID = 0;
/** A smaller body is copied into one buffer, whatever its caller takes. */
const PIECES_SIZE_MIN = 64 << 10;
/** Bytes of a large answer that are worth a wake-up. */
const GATHERED_SIZE = 256 << 10;

export interface Peer {
  role: Role;
  id: string;
}

export class Connection {
  /** Set once the handshake is done. */
  peer: Peer | undefined;
  /** What the peer that was dialled offers on its own machine. */
  local: LocalAccess | undefined;
  /** The network address of the other end, for logs. */
  readonly remoteAddress: string;
  private readonly calls: PendingCalls;
  private readonly closeListeners: ((error: Error) => void)[] = [];
  private readonly decoder: FrameDecoder;
  private nextRequestId = 1;
  private handling = 0;
  private paused = false;
  /** Answers were queued since the peer last took all that was queued. */
  private owesReading = false;
  /** What came while this side was paused, in order; one read of the socket at most. */
  private held: Uint8Array[] = [];
  private reading = false;
  private bytesSent = 0;
  private readonly untaken = new UntakenAnswers();
  private closedBy: Error | undefined;

  /** Use {@link dial} and {@link serve}; a simulator may pass its own socket. */
  constructor(
    private readonly socket: Socket,
    private readonly options: ConnectionOptions,
    limits: FrameLimits = options.limits,
  ) {
    this.remoteAddress = socket.remoteAddress;
    this.calls = new PendingCalls(options.clock, socket.remoteAddress);
    this.decoder = new FrameDecoder(
      limits,
      (header, meta, body) => this.onFrame(header, meta, body),
      (header) => header.bodySize >= PIECES_SIZE_MIN && this.takesPieces(header),
    );
  }

  get closed(): boolean {
    return this.closedBy !== undefined;
  }

  get inFlight(): number {
    return this.calls.size;
  }

  readonly socketHandlers: SocketHandlers = {
    onData: (bytes) => {
      this.held.push(bytes);
      this.readHeld();
    },
    onDrain: () => this.regulate(),
    onClose: (error) =>
      this.close(error ?? new ProtocolError("DISCONNECTED", "the peer ended the connection")),
  };

  /** How far the peer has come: two looks that are alike show one that stands still. */
  get progress(): Progress {
    const { decoder, paused } = this;
    const { queuedBytes } = this.socket;
    const taken = this.bytesSent - queuedBytes;
    return { received: decoder.bytesReceived, taken, queuedBytes, midFrame: decoder.midFrame, paused };
  }

  /** Decodes what came, up to what this side can take on now. */
  private readHeld(): void {
    // A handler that answers at once may come back here while its request is still being decoded.
    if (this.reading) return;
    this.reading = true;
    try {
      while (this.held.length > 0 && !this.paused && !this.closedBy) {
        const bytes = this.held.shift()!;
        const used = this.decoder.push(bytes);
        if (used < bytes.length) this.held.unshift(bytes.subarray(used));
      }
    } catch (error) {
      this.close(error as Error);
    } finally {
      this.reading = false;
    }
    this.socket.gather?.(Math.min(Math.max(1, this.decoder.missingAnswer), GATHERED_SIZE));
  }

  /** Lifts the limits of a peer that has proved who it is. */
  authenticated(peer: Peer): void {
    this.peer = peer;
    this.decoder.limits = this.options.limits;
  }

  onClose(listener: (error: Error) => void): void {
    if (this.closedBy) listener(this.closedBy);
    else this.closeListeners.push(listener);
  }

  /**
   * Sends a request and waits for its answer. Rejects with {@link RemoteError} (what the peer answered) or
   * {@link ProtocolError} (`TIMEOUT`, `DISCONNECTED`: whether the call was done is then unknown).
   */
  call(
    opcode: number,
    meta: unknown,
    body: Uint8Array | readonly Uint8Array[] = EMPTY,
    timeoutMs?: number,
  ): Promise<{ meta: unknown; body: Buffer }> {
    return this.request(opcode, meta, body, timeoutMs, false) as Promise<{ meta: unknown; body: Buffer }>;
  }

  /** As {@link call}, of an answer whose body is large: resolves with the pieces that it came in, uncopied, in order. */
  async callForPieces(opcode: number, meta: unknown, timeoutMs?: number): Promise<Buffer[]> {
    const { body } = await this.request(opcode, meta, EMPTY, timeoutMs, true);
    return Array.isArray(body) ? body : [body];
  }

  private request(
    opcode: number,
    meta: unknown,
    body: Uint8Array | readonly Uint8Array[],
    timeoutMs = this.options.timeoutMs ?? DEFAULTS.timeoutMs,
    inPieces: boolean,
  ): Promise<{ meta: unknown; body: Buffer | Buffer[] }> {
    if (this.closedBy) return Promise.reject(disconnected(this.closedBy));
    const requestId = this.nextRequestId;
    this.nextRequestId = requestId === 0xffff_ffff ? 1 : requestId + 1;
    return new Promise((resolve, reject) => {
      this.calls.add(requestId, { resolve, reject, timeoutMs, inPieces });
      this.send(FrameKind.request, opcode, requestId, meta, body);
    });
  }

  /** Sends without an answer. */
  notify(opcode: number, meta: unknown): void {
    if (!this.closedBy) this.send(FrameKind.notify, opcode, 0, meta, EMPTY);
  }

  close(error: Error = new ProtocolError("DISCONNECTED", "closed on this side")): void {
    if (this.closedBy) return;
    const isRefused = error instanceof ProtocolError && !WITHOUT_GOODBYE.has(error.code);
    if (isRefused) this.send(FrameKind.error, 0, GOODBYE_ID, errorMeta(error), EMPTY);
    this.closedBy = error;
    this.decoder.halted = true;
    this.held = [];
    if (isRefused) {
      this.socket.end();
      // One that neither reads nor goes would keep its descriptor for ever.
      this.options.clock.after(LINGER_MS, () => this.socket.destroy());
    } else this.socket.destroy();
    this.calls.fail(error);
    this.untaken.drop();
    for (const listener of this.closeListeners) listener(error);
  }

  private onFrame(header: FrameHeader, metaBytes: Buffer, body: Buffer | Buffer[]): void {
    if (this.closedBy) return;
    let meta: unknown;
    try {
      meta = decodeMeta(metaBytes);
    } catch (cause) {
      throw new ProtocolError("BAD_FRAME", "the meta is not msgpack", { cause });
    }
    if (header.kind === FrameKind.request || header.kind === FrameKind.notify) {
      void this.handle(header, meta, body);
      return;
    }
    if (header.kind === FrameKind.error && header.requestId === GOODBYE_ID) {
      const { code, message } = remoteError(meta);
      this.close(new ProtocolError("DISCONNECTED", `the peer ended the connection: ${code}, ${message}`));
      return;
    }
    const call = this.calls.take(header.requestId);
    if (!call) return; // the answer to a call that timed out
    if (header.kind === FrameKind.response) call.resolve({ meta, body });
    else call.reject(remoteError(meta));
  }

  private takesPieces({ kind, opcode, requestId }: FrameHeader): boolean {
    if (kind === FrameKind.response) return this.calls.get(requestId)?.inPieces === true;
    return kind === FrameKind.request && this.options.inPieces?.has(opcode) === true;
  }

  private async handle(header: FrameHeader, meta: unknown, body: Buffer | Buffer[]): Promise<void> {
    const { handler, stats, clock } = this.options;
    const startedAt = stats ? clock.monotonic() : 0;
    let sent = 0;
    this.handling++;
    this.regulate();
    try {
      if (!handler) throw new RemoteError("UNKNOWN_OPERATION", "this side takes no requests");
      const isWhole = !Array.isArray(body);
      const reply = await handler(
        header.opcode,
        meta,
        isWhole ? body : EMPTY,
        this,
        isWhole ? undefined : body,
      );
      if (header.kind === FrameKind.request) {
        const { opcode, requestId } = header;
        sent = this.send(FrameKind.response, opcode, requestId, reply.meta, reply.body ?? EMPTY);
      } else if (reply.body && "descriptor" in reply.body) reply.body.release(); // nobody waits for it
      if (reply.taken) this.untaken.add(this.bytesSent, reply.taken);
      if (this.closedBy) this.untaken.drop();
    } catch (error) {
      // Nobody awaits this: it ends the process, as a bug must.
      if (error instanceof InvariantError) throw error;
      stats?.refuse(errorMeta(error).code);
      if (header.kind === FrameKind.request) {
        this.send(FrameKind.error, header.opcode, header.requestId, errorMeta(error), EMPTY);
      }
    } finally {
      this.handling--;
      stats?.answered(header.opcode, clock.monotonic() - startedAt, header.bodySize, sent);
      this.regulate();
    }
  }

  /** Reads on only while this side can take more work and the peer takes its answers. */
  private regulate(): void {
    if (this.closedBy) return;
    const { inFlightMax = DEFAULTS.inFlightMax, queuedBytesMax = DEFAULTS.queuedBytesMax } = this.options;
    const { queuedBytes } = this.socket;
    if (queuedBytes === 0) this.owesReading = false;
    this.untaken.settle(this.bytesSent - queuedBytes);
    // A peer that only answers is never paused: its answers are what frees this side.
    const full = this.handling >= inFlightMax || (this.owesReading && queuedBytes > queuedBytesMax);
    if (full === this.paused) return;
    this.paused = full;
    this.decoder.halted = full;
    if (full) this.socket.pause();
    else {
      this.socket.resume();
      this.readHeld();
    }
  }

  /** Returns the size of the body, bytes. */
  private send(
    kind: FrameKind,
    opcode: number,
    requestId: number,
    meta: unknown,
    body: Uint8Array | readonly Uint8Array[] | FileRange,
  ): number {
    const file = "descriptor" in body ? body : undefined;
    if (this.closedBy) {
      file?.release();
      return 0;
    }
    const parts = "descriptor" in body ? [] : body instanceof Uint8Array ? [body] : body;
    let bodySize = file?.size ?? 0;
    for (const part of parts) bodySize += part.length;
    const head = encodeMessage(kind, opcode, requestId, meta, bodySize);
    if (kind === FrameKind.response || kind === FrameKind.error) this.owesReading = true;
    this.bytesSent += head.length + bodySize;
    this.socket.write([head, ...parts]);
    if (file) {
      assert(this.socket.sendFile !== undefined, "a file is answered only where it can be sent");
      this.socket.sendFile(file);
    }
    return bodySize;
  }
}

export interface Environment {
  clock: Clock;
  net: Net;
  random: Random;
}

/** Connects to `to`, proves `self` (this side's role and id) and checks the other side's proof. */
export async function dial(
  env: Environment,
  to: { address: Address; role: Role },
  secrets: ClusterSecrets,
  self: Peer,
  options: Omit<ConnectionOptions, "clock">,
): Promise<Connection> {
  const { address } = to;
  const greeted = Promise.withResolvers<Uint8Array>();
  greeted.promise.catch(() => {});
  let connection: Connection | undefined;
  const handler: Handler = (opcode, meta, body, from, pieces) => {
    if (opcode === Op.hello) {
      greeted.resolve((meta as { nonce: Uint8Array }).nonce);
      return { meta: undefined };
    }
    if (!from.peer) throw new RemoteError("UNAUTHENTICATED", "the handshake is not done");
    if (!options.handler) throw new RemoteError("UNKNOWN_OPERATION", "this side takes no requests");
    return options.handler(opcode, meta, body, from, pieces);
  };
  // The socket hands bytes to whatever `connection` is by then: it exists before any byte can arrive.
  const early: Uint8Array[] = [];
  const socket = await connectWithin(env, address, {
    onData: (bytes) => (connection ? connection.socketHandlers.onData(bytes) : early.push(bytes)),
    onDrain: () => connection?.socketHandlers.onDrain(),
    onClose: (error) => {
      greeted.reject(new ProtocolError("DISCONNECTED", `${address} ended the connection`, { cause: error }));
      connection?.socketHandlers.onClose(error);
    },
  });
  connection = new Connection(socket, { ...options, clock: env.clock, handler });
  for (const bytes of early) connection.socketHandlers.onData(bytes);
  const deadline = env.clock.after(HANDSHAKE_TIMEOUT_MS, () =>
    greeted.reject(new ProtocolError("TIMEOUT", `${address} did not greet in time`)),
  );
  try {
    const acceptorNonce = await greeted.promise;
    const callerNonce = env.random.bytes(NONCE_SIZE);
    const transcript = { ...self, callerNonce, acceptorNonce };
    const proof = handshakeProof(secrets, "call", transcript);
    if (!proof)
      throw new ProtocolError("UNAUTHENTICATED", `this part holds no key for the role ${self.role}`);
    const request = { clusterId: secrets.clusterId, ...self, nonce: callerNonce, proof };
    const { meta } = await connection.call(Op.auth, request, EMPTY, HANDSHAKE_TIMEOUT_MS);
    if (!proofMatches(handshakeProof(secrets, "accept", transcript), (meta as { proof?: unknown })?.proof)) {
      throw new ProtocolError("UNAUTHENTICATED", `${address} could not prove that it is of this cluster`);
    }
    connection.authenticated({ role: to.role, id: address });
    connection.local = localAccess(meta);
    return connection;
  } catch (error) {
    connection.close(error as Error);
    throw error;
  } finally {
    deadline.cancel();
  }
}
