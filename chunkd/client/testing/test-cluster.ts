import { createHash } from "node:crypto";
import type { Clock } from "../../../std/clock.ts";
import { systemClock } from "../../../std/clock.ts";
import { silentLog } from "../../../std/log.ts";
import { systemNet } from "../../../std/net.ts";
import { systemRandom } from "../../../std/random.ts";
import type { Environment } from "../../protocol/connection.ts";
import type { ClusterSecrets } from "../../protocol/handshake.ts";
import type { LeasedReplica } from "../../protocol/messages.ts";
import type { Extent } from "../../protocol/record.ts";
import type { LocalHost } from "../local-reads.ts";
import { ChunkReader } from "../reader.ts";
import { ChunkWriter } from "../writer.ts";
import { MemoryMaster } from "./memory-master.ts";
import { ScriptedServer } from "./scripted-server.ts";

export const SECRETS: ClusterSecrets = {
  clusterId: "c".repeat(32),
  clusterSecret: "cluster secret of the tests",
  controlSecret: "control secret of the tests",
};

export function environment(clock: Clock = systemClock) {
  return { clock, net: systemNet, random: systemRandom, log: silentLog };
}

export interface TestServer extends Readonly<LeasedReplica> {
  kill(): Promise<void>;
}

interface Options {
  inFlightBytesMax?: number;
  readAheadBytesMax?: number;
  /** The machine that writer and reader are on. */
  local?: LocalHost;
}

/** Chunkservers, a master for their leases, a writer and a reader; all of it is gone after `close`. */
export class TestCluster<S extends TestServer = TestServer> {
  readonly master: MemoryMaster;
  readonly writer: ChunkWriter;
  readonly reader: ChunkReader;

  constructor(
    readonly servers: readonly S[],
    clock: Clock = systemClock,
    { inFlightBytesMax, readAheadBytesMax, local }: Options = {},
  ) {
    const env: Environment & { log: typeof silentLog } = environment(clock);
    // Capabilities carry wall time, which no clock of these tests bends.
    this.master = new MemoryMaster(systemClock, SECRETS, servers);
    const { controlSecret: _, ...secrets } = SECRETS;
    this.writer = new ChunkWriter(env, secrets, this.master, {
      id: "writer",
      inFlightBytesMax,
      host: local?.host,
    });
    this.reader = new ChunkReader(env, secrets, this.master, { id: "reader", readAheadBytesMax, local });
  }

  server(id: string): S {
    return this.servers.find((server) => server.id === id)!;
  }

  /** Reads [start, end) of `extents`, by the locations that the master gave out. */
  async read(extents: Extent[], start = 0, end = lengthOf(extents)): Promise<Buffer> {
    const pieces: Uint8Array[] = [];
    for await (const piece of this.reader.read(extents, this.master.locations, start, end))
      pieces.push(piece);
    return Buffer.concat(pieces);
  }

  async close(): Promise<void> {
    await this.writer.close();
    await this.reader.close();
    await Promise.all(this.servers.map((server) => server.kill()));
  }
}

export async function scriptedCluster(
  options: { clock?: Clock } & Options = {},
): Promise<TestCluster<ScriptedServer>> {
  const servers: ScriptedServer[] = [];
  for (const id of ["cs1", "cs2", "cs3"]) {
    servers.push(await ScriptedServer.start(id, environment(), SECRETS, servers));
  }
  return new TestCluster(servers, options.clock, options);
}

export function lengthOf(extents: readonly Extent[]): number {
  return extents.reduce((sum, { length }) => sum + length, 0);
}

/** `size` bytes that differ everywhere and are the same for the same `seed`. */
export function patterned(size: number, seed = 1): Buffer {
  const bytes = Buffer.alloc(size);
  const words = new Uint32Array(bytes.buffer, bytes.byteOffset, size >>> 2);
  let state = seed >>> 0 || 1;
  for (let i = 0; i < words.length; i++) {
    // xorshift32
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    words[i] = state;
  }
  for (let i = words.length * 4; i < size; i++) bytes[i] = seed + i;
  return bytes;
}

/** `bytes` as a source would give them: in pieces of `pieceSize`, all in one buffer that is used again for each. */
export async function* inPieces(bytes: Uint8Array, pieceSize = 200_000): AsyncGenerator<Uint8Array> {
  const piece = Buffer.alloc(pieceSize);
  for (let at = 0; at < bytes.length; at += pieceSize) {
    const count = Math.min(pieceSize, bytes.length - at);
    piece.set(bytes.subarray(at, at + count));
    yield piece.subarray(0, count);
    piece.fill(0xee);
  }
}

export function sha256(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}
