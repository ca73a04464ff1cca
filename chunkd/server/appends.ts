// The two ways records arrive: from a writer (this is the chunk's primary) and from a primary (this is a secondary).
// All checks up to the records' place in the file run in one turn of the event loop, so that places follow arrival.
import type { Clock } from "../../std/clock.ts";
import type { Log } from "../../std/log.ts";
import type { ClusterSecrets } from "../protocol/handshake.ts";
import {
  type AbortNotice,
  type AppendRequest,
  type AppendResponse,
  type CommitNotice,
  type ReplicateRequest,
  type ReplicateResponse,
  RUN_RECORDS_MAX,
} from "../protocol/messages.ts";
import { CHUNK_HEADER_SIZE } from "../protocol/record.ts";
import { type Run, readRun } from "../protocol/record-run.ts";
import type { StoredChunk } from "../store/chunk.ts";
import type { ChunkStore } from "../store/chunk-store.ts";
import { ChunkError } from "../store/errors.ts";
import { ByteBudget } from "./byte-budget.ts";
import { checkGrant, type Self } from "./grants.ts";
import type { MasterClock } from "./master-clock.ts";
import type { PeerLinks } from "./peer-links.ts";
import { PrimaryChunk } from "./primary-chunk.ts";

/** Bytes of records held in memory until every replica has answered for them or is given up. */
const UNDERWAY_BYTES_MAX = 96 << 20;

export interface AppendsEnvironment {
  clock: Clock;
  log: Log;
  self: Self;
  store: ChunkStore;
  links: PeerLinks;
  masterClock: MasterClock;
  secrets: ClusterSecrets & { controlSecret: string };
}

export class Appends {
  private readonly budget = new ByteBudget(UNDERWAY_BYTES_MAX);
  /** Chunks of which this is the primary and that still take appends. */
  private readonly primaries = new Map<number, PrimaryChunk>();

  constructor(private readonly env: AppendsEnvironment) {}

  /** A writer's records, `run`: resolves when 2 replicas, this one included, have them on disk. */
  append(request: AppendRequest, body: Buffer | Buffer[]): Promise<AppendResponse> {
    const { self, secrets, masterClock } = this.env;
    const { handle, version } = request;
    const run = checkedRun(body, { handle, version });
    checkGrant(request, self, secrets.controlSecret, masterClock);
    if (request.replicas[0]!.id !== self.id) {
      throw new ChunkError("BAD_CAPABILITY", `the primary of chunk ${handle} is another chunkserver`);
    }
    const release = this.admit(run.size);
    try {
      return this.primary(request).append(request, run, release);
    } catch (error) {
      release();
      throw error;
    }
  }

  private primary({ handle, version, replicas }: AppendRequest): PrimaryChunk {
    const { store } = this.env;
    const present = this.primaries.get(handle);
    // A chunk that could not be made is not made again: its primary was aborted, and says so.
    if (present && !store.has(handle)) return present;
    const { chunk, log } = store.appendable(handle, version);
    if (present) return present;
    const env = { ...this.env, selfId: store.serverId };
    const primary = new PrimaryChunk(env, chunk, log, version, replicas);
    this.primaries.set(handle, primary);
    chunk.isPrimary = true;
    return primary;
  }

  /** A primary's records: resolves when they are on disk here. */
  async replicate(
    request: ReplicateRequest,
    body: Buffer | Buffer[],
    peerId: string,
  ): Promise<ReplicateResponse> {
    const { self, secrets, masterClock } = this.env;
    const { handle, replicas } = request;
    const run = checkedRun(body, request);
    checkGrant(request, self, secrets.controlSecret, masterClock);
    const isSecondary = replicas.slice(1).some(({ id }) => id === self.id);
    if (!isSecondary || replicas[0]!.id !== peerId) {
      throw new ChunkError(
        "BAD_CAPABILITY",
        `${peerId} may not replicate chunk ${handle} to this chunkserver`,
      );
    }
    const release = this.admit(run.size);
    try {
      return await this.writeReplica(request, run);
    } finally {
      release();
    }
  }

  private async writeReplica(request: ReplicateRequest, run: Run): Promise<ReplicateResponse> {
    const { handle, version, offset } = request;
    const { store } = this.env;
    if (!store.has(handle) && offset !== CHUNK_HEADER_SIZE) throw gap(handle, CHUNK_HEADER_SIZE, offset);
    const { chunk, log } = store.appendable(handle, version);
    if (offset !== log.end) throw gap(handle, log.end, offset);
    if (run.size > log.room) throw new ChunkError("CHUNK_FULL", `chunk ${handle} is full`);
    await log.append(run.parts, run.size);
    return { length: chunk.length };
  }

  /** Takes disk space and memory for `size` bytes; the function returned gives the memory back, once. */
  private admit(size: number): () => void {
    this.env.store.health.claim(size);
    this.budget.take(size);
    let held = true;
    return () => {
      if (held) this.budget.release(size);
      held = false;
    };
  }

  /** What the primary says has its quorum. */
  committed({ handle, version, length }: CommitNotice): void {
    const chunk = this.secondaryOf(handle, version);
    if (chunk) chunk.committed = Math.max(chunk.committed, Math.min(length, chunk.length));
  }

  /** The primary takes no more appends to the chunk, so none are to come here. */
  aborted({ handle, version }: AbortNotice): void {
    if (this.secondaryOf(handle, version)) this.env.store.stopAppends(handle);
  }

  /** The chunk, if this is a secondary of it and nobody has fenced the notice's sender. */
  private secondaryOf(handle: number, version: number): StoredChunk | undefined {
    if (!this.env.store.has(handle) || this.primaries.has(handle)) return undefined;
    const chunk = this.env.store.find(handle);
    return chunk.version === version ? chunk : undefined;
  }

  /** The master ends the lease: whoever waits for a quorum is told so. */
  end(handle: number): void {
    const why = `the lease of chunk ${handle} is over: use a fresh chunk`;
    this.primaries.get(handle)?.abort(new ChunkError("STALE_VERSION", why));
    this.primaries.delete(handle);
  }

  close(): void {
    for (const handle of [...this.primaries.keys()]) this.end(handle);
  }
}

/** Throws unless `body` holds whole records of that chunk, in their places where `offset` is given, as they were sent. */
function checkedRun(
  body: Buffer | Buffer[],
  place: { handle: number; version: number; offset?: number },
): Run {
  const run = readRun(body, place);
  if (typeof run === "string") {
    throw new ChunkError("CHECKSUM", `chunk ${place.handle}: ${run}: send it again`);
  }
  const { length } = run.records;
  if (length === 0 || length > RUN_RECORDS_MAX) {
    throw new ChunkError("BAD_REQUEST", `a run is 1 to ${RUN_RECORDS_MAX} records, not ${length}`);
  }
  return run;
}

function gap(handle: number, end: number, offset: number): ChunkError {
  return new ChunkError(
    "OUT_OF_RANGE",
    `chunk ${handle} ends at ${end} here: a record at ${offset} does not follow`,
  );
}
