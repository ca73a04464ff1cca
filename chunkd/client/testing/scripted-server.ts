// A chunkserver in memory that does what a test tells it to: the records and checks are real, the faults are scripted.
import type { Listener } from "../../../std/net.ts";
import { capabilityMatches } from "../../protocol/capability.ts";
import type { Environment, Reply } from "../../protocol/connection.ts";
import { RemoteError } from "../../protocol/errors.ts";
import type { ClusterSecrets } from "../../protocol/handshake.ts";
import {
  type AppendRequest,
  type AppendResponse,
  ChunkOp,
  DATA_LIMITS,
  type LeasedReplica,
  type ReadRequest,
  type StreamRequest,
} from "../../protocol/messages.ts";
import {
  BLOCK_SIZE,
  CHUNK_HEADER_SIZE,
  CHUNK_SIZE_MAX,
  RECORD_PAYLOAD_MAX,
  SEAL_SIZE,
} from "../../protocol/record.ts";
import { placeRun, readRun } from "../../protocol/record-run.ts";
import { serve } from "../../protocol/serve.ts";

interface ScriptedRecord {
  head: Buffer;
  payload: Buffer;
}

interface ScriptedChunk {
  length: number;
  isOpen: boolean;
  records: Map<number, ScriptedRecord>;
}

/** What a test may do before an operation: wait, or throw the error to be answered. */
export interface Script {
  beforeAppend?(request: AppendRequest, size: number): void | Promise<void>;
  /** After the record is stored, before the answer leaves. */
  beforeAppendAnswer?(request: AppendRequest, answer: AppendResponse): void | Promise<void>;
  beforeRead?(request: ReadRequest): void | Promise<void>;
}

export class ScriptedServer implements LeasedReplica {
  readonly incarnation = 1;
  readonly chunks = new Map<number, ScriptedChunk>();
  script: Script = {};
  /** Runs that came, and the records in them. */
  appends = 0;
  records = 0;
  reads = 0;
  alive = true;
  private constructor(
    readonly id: string,
    private readonly listener: Listener,
  ) {}

  static async start(
    id: string,
    env: Environment,
    secrets: ClusterSecrets,
    peers: ScriptedServer[],
  ): Promise<ScriptedServer> {
    const listener = await serve(env, "127.0.0.1:0", secrets, {
      limits: DATA_LIMITS,
      handler: (opcode, meta, body) => {
        if (opcode === ChunkOp.append) return server.append(meta as AppendRequest, body, secrets, peers);
        if (opcode === ChunkOp.read) return server.read(meta as ReadRequest);
        if (opcode === ChunkOp.stream) {
          const { handle, offset } = meta as StreamRequest;
          return server.read({ handle, offset, firstBlock: 0, blockCount: RECORD_PAYLOAD_MAX / BLOCK_SIZE });
        }
        throw new RemoteError("UNKNOWN_OPERATION", `opcode ${opcode}`);
      },
    });
    const server = new ScriptedServer(id, listener);
    return server;
  }

  get address(): string {
    return this.listener.address;
  }

  /** Goes away as a killed process does: connections break, nobody listens. */
  async kill(): Promise<void> {
    this.alive = false;
    await this.listener.close();
  }

  /** Flips a bit of the stored payload of every record of `handle`. */
  damage(handle: number): void {
    const chunk = this.chunks.get(handle);
    for (const [offset, { head, payload }] of chunk?.records ?? []) {
      const bad = Buffer.from(payload);
      bad[0]! ^= 1;
      chunk!.records.set(offset, { head, payload: bad });
    }
  }

  private async append(
    request: AppendRequest,
    body: Buffer,
    secrets: ClusterSecrets,
    peers: ScriptedServer[],
  ): Promise<Reply> {
    this.appends++;
    const chunk = this.chunk(request.handle);
    const { handle } = request;
    if (!capabilityMatches(secrets.controlSecret!, request, request.capability)) {
      throw new RemoteError("BAD_CAPABILITY", "not signed by the master");
    }
    const run = readRun(body, { handle, version: request.version });
    if (typeof run === "string") throw new RemoteError("CHECKSUM", run);
    const { records } = run;
    this.records += records.length;
    await this.script.beforeAppend?.(request, body.length);
    if (!chunk.isOpen) throw new RemoteError("NOT_OPEN", "an earlier append failed");
    if (chunk.length + body.length > CHUNK_SIZE_MAX - SEAL_SIZE)
      throw new RemoteError("CHUNK_FULL", "no room");
    const offset = chunk.length;
    const recordCrcs = placeRun(run, offset);
    const others = peers.filter((peer) =>
      request.replicas.some(({ id }) => id === peer.id && id !== this.id),
    );
    const holders = [this, ...others.filter(({ alive }) => alive)];
    for (const [i, { at, headSize }] of records.entries()) {
      const head = body.subarray(at, at + headSize);
      const payload = body.subarray(at + headSize, records[i + 1]?.at ?? body.length);
      for (const server of holders) server.chunk(handle).records.set(offset + at, { head, payload });
    }
    for (const server of holders) server.chunk(handle).length = offset + body.length;
    const prepared = [this.id, ...others.filter(({ alive }) => alive).map(({ id }) => id)];
    const dropped = others.filter(({ alive }) => !alive).map(({ id }) => id);
    if (prepared.length < 2) {
      chunk.isOpen = false;
      throw new RemoteError("NO_QUORUM", "no other replica took it");
    }
    const answer: AppendResponse = { offset, recordCrcs, prepared, dropped };
    await this.script.beforeAppendAnswer?.(request, answer);
    return { meta: answer };
  }

  private async read(request: ReadRequest): Promise<Reply> {
    this.reads++;
    await this.script.beforeRead?.(request);
    const record = this.chunks.get(request.handle)?.records.get(request.offset);
    if (!record) throw new RemoteError("NO_SUCH_CHUNK", `chunk ${request.handle} is not here`);
    const from = request.firstBlock * BLOCK_SIZE;
    const blocks = record.payload.subarray(from, from + request.blockCount * BLOCK_SIZE);
    return { meta: undefined, body: [record.head, blocks] };
  }

  private chunk(handle: number): ScriptedChunk {
    let chunk = this.chunks.get(handle);
    if (!chunk) {
      chunk = { length: CHUNK_HEADER_SIZE, isOpen: true, records: new Map() };
      this.chunks.set(handle, chunk);
    }
    return chunk;
  }
}
