// A chunkserver that is only its protocol: it holds chunks as numbers, answers the master as the real one does, and
// can be told to be silent, short or broken.
import { type Connection, dial } from "../../chunkd/protocol/connection.ts";
import { RemoteError } from "../../chunkd/protocol/errors.ts";
import type { MasterPoint } from "../../chunkd/protocol/master-point.ts";
import {
  ChunkOp,
  type ChunkReport,
  type CompactRequest,
  type CopyRequest,
  DATA_LIMITS,
  type FenceRequest,
  type HeartbeatResponse,
  MasterOp,
  type RegisterResponse,
  type ScrubControlRequest,
  type SealRequest,
} from "../../chunkd/protocol/messages.ts";
import { CHUNK_HEADER_SIZE, extentEnd } from "../../chunkd/protocol/record.ts";
import type { Address } from "../../std/net.ts";
import { atEnd, TEST_SECRETS, testEnvironment } from "./test-master.ts";

type Replica = Omit<ChunkReport, "handle">;
const NAMES = new Map<number, string>(Object.entries(ChunkOp).map(([name, opcode]) => [opcode, name]));

export class ScriptedChunkserver {
  readonly replicas = new Map<number, Replica>();
  /** Every command taken, as "fence 7". */
  readonly commands: string[] = [];
  /** Commands that are answered with this error, by name. */
  readonly failures = new Map<string, string>();
  /** Commands that get no answer, by name. */
  readonly silent = new Set<string>();
  damaged: number[] = [];
  diskFailed = false;
  /** What it answers about its scrub, and what it was asked to do with it. */
  readonly scrub = {
    doneBytes: 10,
    totalBytes: 100,
    startedAt: 2,
    finishedAt: 1,
    damagedFound: 3,
    bytesPerSecond: 1000,
    nextAt: 0,
  };
  readonly scrubActions: string[] = [];
  /** The furthest master that it says it has seen. */
  masterSeen: MasterPoint | undefined;
  /** How far the master said it had come, at the registration and in heartbeats. */
  readonly reached: MasterPoint[] = [];
  freeBytes = 1e12;
  incarnation = 1;
  totalBytes = 1e12;
  /** Makes its compactions differ from those of the others. */
  compactionSalt = 0;
  private connection: Connection | undefined;

  constructor(
    readonly id: string,
    /** The others, by id: where copies come from. */
    private readonly peers: Map<string, ScriptedChunkserver> = new Map(),
  ) {
    peers.set(id, this);
  }

  get address(): Address {
    return `test:${this.id}`;
  }

  /** Connects, registers and reports all chunks. */
  async join(master: Address): Promise<void> {
    await this.register(master);
    await this.report();
  }

  /** Connects and registers; nothing is known of its chunks until {@link report}. */
  async register(master: Address, address: Address = this.address): Promise<void> {
    const connection = await dial(
      testEnvironment,
      { address: master, role: "master" },
      TEST_SECRETS,
      { role: "chunkserver", id: this.id },
      { limits: DATA_LIMITS, handler: (opcode, meta, body) => this.handle(opcode, meta, body) },
    );
    this.connection = connection;
    atEnd(() => connection.close());
    const { id, incarnation, totalBytes, freeBytes, diskFailed, masterSeen } = this;
    const request = { id, address, incarnation, totalBytes, freeBytes, diskFailed, masterSeen };
    const { meta } = await connection.call(MasterOp.register, request);
    this.reached.push((meta as RegisterResponse).reached!);
  }

  async report(): Promise<void> {
    const chunks = [...this.replicas].map(([handle, replica]) => ({ handle, ...replica }));
    await this.connection!.call(MasterOp.report, { chunks, last: true });
  }

  /** Begins to report all chunks once more; what is there behind this is to be told with {@link report}. */
  async beginReport(): Promise<void> {
    await this.connection!.call(MasterOp.report, { begin: true, chunks: [], last: false });
  }

  leave(): void {
    this.connection?.close();
  }

  async heartbeat(): Promise<void> {
    const { totalBytes, freeBytes, damaged, diskFailed } = this;
    const request = { totalBytes, freeBytes, damaged, diskFailed };
    const { meta } = await this.connection!.call(MasterOp.heartbeat, request);
    this.reached.push((meta as HeartbeatResponse).reached!);
  }

  /** As if records up to `length` had been appended. */
  grow(handle: number, length: number): void {
    this.replicas.set(handle, { version: 1, length, sealed: false });
  }

  private handle(opcode: number, meta: unknown, body: Buffer) {
    const name = NAMES.get(opcode)!;
    const { handle = (meta as CompactRequest).source } = meta as { handle?: number };
    this.commands.push(`${name} ${handle}`);
    if (this.silent.has(name)) return new Promise<never>(() => {});
    const failure = this.failures.get(name);
    if (failure) throw new RemoteError(failure, "as the test wants it");
    if (name === "compact") return this.compact(meta as CompactRequest, body);
    return { meta: this.answer(name, handle, meta) };
  }

  /** As chunkd/protocol/messages.ts has it; the checksums are made up, but the same on every server. */
  private compact(request: CompactRequest, body: Buffer) {
    const { source, sourceVersion, sourceLength, target, version } = request;
    const theirs = this.get(source);
    if (!theirs.sealed || theirs.version !== sourceVersion || theirs.length !== sourceLength) {
      throw new RemoteError("CHECKSUM", "the source is not what it should be");
    }
    const answer = Buffer.alloc(body.length);
    let end = CHUNK_HEADER_SIZE;
    for (let at = 0; at < body.length; at += 8) {
      answer.writeUInt32LE(end, at);
      answer.writeUInt32LE(body.readUInt32LE(at) + this.compactionSalt, at + 4);
      end = extentEnd({ offset: end, length: body.readUInt32LE(at + 4) });
    }
    this.replicas.set(target, { version, length: end, sealed: true });
    return { meta: { length: end }, body: answer };
  }

  private answer(name: string, handle: number, meta: unknown): unknown {
    switch (name) {
      case "fence":
        return this.fence(meta as FenceRequest);
      case "seal":
        return this.seal(meta as SealRequest);
      case "copy":
        return this.copy(meta as CopyRequest);
      case "scrub": {
        const { action } = meta as ScrubControlRequest;
        this.scrubActions.push(action);
        return { ...this.scrub, paused: action === "pause" };
      }
      case "remove":
        this.replicas.delete(handle);
        return null;
      default:
        throw new RemoteError("UNKNOWN_OPERATION", name);
    }
  }

  private get(handle: number): Replica {
    const replica = this.replicas.get(handle);
    if (!replica) throw new RemoteError("NO_SUCH_CHUNK", `no chunk ${handle}`);
    return replica;
  }

  private fence({ handle, version }: FenceRequest): Replica {
    const replica = this.get(handle);
    replica.version = Math.max(replica.version, version);
    return replica;
  }

  private seal({ handle, version, length }: SealRequest): Replica {
    const replica = this.get(handle);
    if (replica.length < length) throw new RemoteError("OUT_OF_RANGE", "shorter than that");
    Object.assign(replica, { version, length, sealed: true });
    return replica;
  }

  private copy({ handle, version, length, sources }: CopyRequest): Replica {
    const theirs = this.peers.get(sources[0]!.id)!.get(handle);
    if (!theirs.sealed || theirs.version !== version || theirs.length !== length) {
      throw new RemoteError("CHECKSUM", "the source is not what it should be");
    }
    const copy = { version, length, sealed: true };
    this.replicas.set(handle, copy);
    this.damaged = this.damaged.filter((damaged) => damaged !== handle);
    return copy;
  }
}

/** `count` servers s1, s2, ... that have joined `master`. */
export async function joinServers(master: Address, count: number): Promise<ScriptedChunkserver[]> {
  const peers = new Map<string, ScriptedChunkserver>();
  const servers = Array.from({ length: count }, (_, i) => new ScriptedChunkserver(`s${i + 1}`, peers));
  for (const server of servers) await server.join(master);
  return servers;
}
