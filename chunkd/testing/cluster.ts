// Real chunkservers on loopback and temporary directories, without a master, and what tests ask of them.
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { systemClock } from "../../std/clock.ts";
import { systemDisk } from "../../std/disk.ts";
import { silentLog } from "../../std/log.ts";
import { systemNet } from "../../std/net.ts";
import { systemRandom } from "../../std/random.ts";
import { signCapability } from "../protocol/capability.ts";
import { type Connection, dial } from "../protocol/connection.ts";
import type { ClusterSecrets, Role } from "../protocol/handshake.ts";
import {
  type AppendResponse,
  ChunkOp,
  type ChunkStat,
  DATA_LIMITS,
  type LeasedReplica,
} from "../protocol/messages.ts";
import { blockTable } from "../protocol/record.ts";
import { unplacedHead } from "../protocol/record-run.ts";
import {
  type Chunkserver,
  type ChunkserverEnvironment,
  type ChunkserverOptions,
  startChunkserver,
} from "../server/chunkserver.ts";

export const SECRETS: ClusterSecrets & { controlSecret: string } = {
  clusterId: "0123456789abcdef0123456789abcdef",
  clusterSecret: "c1".repeat(16),
  controlSecret: "c2".repeat(16),
};

export const ENVIRONMENT: ChunkserverEnvironment = {
  clock: systemClock,
  disk: systemDisk,
  net: systemNet,
  random: systemRandom,
  log: silentLog,
};

export interface TemporaryDirectory extends AsyncDisposable {
  path: string;
}

export async function temporaryDirectory(): Promise<TemporaryDirectory> {
  const path = await mkdtemp(join(tmpdir(), "skerry-chunkd-"));
  return { path, [Symbol.asyncDispose]: () => rm(path, { recursive: true, force: true }) };
}

/** Dials a chunkserver as `role`. */
export function connectAs(address: string, role: Role, id: string = role): Promise<Connection> {
  const options = { limits: DATA_LIMITS };
  return dial(ENVIRONMENT, { address, role: "chunkserver" }, SECRETS, { role, id }, options);
}

/** What a lease of the master allows, with its capability. */
export function grant(
  handle: number,
  replicas: LeasedReplica[],
  { version = 1, validForMs = 60_000 }: { version?: number; validForMs?: number } = {},
) {
  const expiresAt = Date.now() + validForMs;
  const allowed = { handle, version, replicas, expiresAt };
  return { ...allowed, capability: signCapability(SECRETS.controlSecret, allowed) };
}

export async function append(
  connection: Connection,
  lease: ReturnType<typeof grant>,
  payload: Uint8Array,
): Promise<AppendResponse> {
  const head = unplacedHead(lease.handle, lease.version, payload, blockTable(payload));
  const { meta } = await connection.call(ChunkOp.append, lease, [head, payload]);
  return meta as AppendResponse;
}

/** The chunkservers of a test: the first is the primary of every lease. */
export class Servers implements AsyncDisposable {
  private readonly connections: Connection[] = [];

  private constructor(
    readonly directory: TemporaryDirectory,
    readonly all: Chunkserver[],
  ) {}

  /** Starts `count` chunkservers; `parts` stand in for the real clock or disk of each, by index. */
  static async start(count: number, parts: Partial<ChunkserverEnvironment>[] = []): Promise<Servers> {
    const servers = new Servers(await temporaryDirectory(), []);
    for (let i = 0; i < count; i++) servers.all.push(await servers.startOne(i, parts[i]));
    return servers;
  }

  directoryOf(index: number): string {
    return join(this.directory.path, `c${index}`);
  }

  chunkFile(index: number, handle: number): string {
    return join(this.directoryOf(index), "chunks", `${handle.toString(16).padStart(16, "0")}.chunk`);
  }

  startOne(
    index: number,
    parts: Partial<ChunkserverEnvironment> = {},
    options: Partial<ChunkserverOptions> = {},
  ): Promise<Chunkserver> {
    return startChunkserver(
      { ...ENVIRONMENT, ...parts },
      {
        directory: this.directoryOf(index),
        id: `c${index}`,
        listen: "127.0.0.1:0",
        secrets: SECRETS,
        ...options,
      },
    );
  }

  async restart(index: number): Promise<void> {
    await this.all[index]!.close();
    this.all[index] = await this.startOne(index);
  }

  get replicas(): LeasedReplica[] {
    return this.all.map(({ id, address, incarnation }) => ({ id, address, incarnation }));
  }

  async connect(index: number, role: Role, id?: string): Promise<Connection> {
    const connection = await connectAs(this.all[index]!.address, role, id);
    this.connections.push(connection);
    return connection;
  }

  /** Asks server `index` as the master. */
  async command(index: number, opcode: number, meta: unknown): Promise<ChunkStat> {
    const master = await this.connect(index, "master");
    return (await master.call(opcode, meta)).meta as ChunkStat;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const connection of this.connections) connection.close();
    await Promise.all(this.all.map((server) => server.close()));
    await this.directory[Symbol.asyncDispose]();
  }
}
