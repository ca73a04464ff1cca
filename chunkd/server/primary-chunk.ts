// One chunk as its primary drives it: a run of records goes to the own disk and to all secondaries at the same time, and
// is answered when the primary and one more have it on disk.
//
// R1  Each replica's durable bytes are a prefix of the primary's log: one stream a secondary, one gap and it is out.
// R2  committed = min(own durable, largest durable of a secondary). It only grows; appends are answered in offset order.
// R3  A dropped secondary never comes back to this chunk; an aborted chunk takes no more appends.
import { assert } from "../../std/assert.ts";
import type { Clock, Timer } from "../../std/clock.ts";
import type { Log } from "../../std/log.ts";
import { PackedMeta } from "../protocol/connection.ts";
import {
  type AppendRequest,
  type AppendResponse,
  ChunkOp,
  type ReplicateRequest,
} from "../protocol/messages.ts";
import { CHUNK_HEADER_SIZE } from "../protocol/record.ts";
import { placeRun, type Run } from "../protocol/record-run.ts";
import type { StoredChunk } from "../store/chunk.ts";
import type { ChunkLog } from "../store/chunk-log.ts";
import { ChunkError } from "../store/errors.ts";
import type { PeerLinks } from "./peer-links.ts";
import { Secondary } from "./secondary.ts";

/** A secondary this far behind the quorum is given up, so that the primary need not hold more for it. */
export const LAG_BYTES_MAX = 32 << 20;
/** ... and one that has not answered for this long what the quorum has. */
export const LAG_MS_MAX = 3_000;
/** An append waits this long for its quorum. Longer than a lagging secondary lives, shorter than a call's timeout. */
export const QUORUM_TIMEOUT_MS = 6_000;
/** How often lag and timeouts are looked at while appends are under way. */
const CHECK_MS = 500;
/** How long a commit may wait for later ones to tell the secondaries at once. */
const COMMIT_NOTICE_MS = 50;

interface Pending {
  offset: number;
  end: number;
  recordCrcs: Buffer;
  since: number;
  resolve(response: AppendResponse): void;
  reject(error: Error): void;
}

export interface PrimaryEnvironment {
  clock: Clock;
  log: Log;
  links: PeerLinks;
  /** This chunkserver's id. */
  selfId: string;
}

export class PrimaryChunk {
  private readonly secondaries: Secondary[];
  private readonly pending: Pending[] = [];
  private committed = CHUNK_HEADER_SIZE;
  private told = CHUNK_HEADER_SIZE;
  private checkTimer: Timer | undefined;
  private commitTimer: Timer | undefined;
  private abortedBy: ChunkError | undefined;

  constructor(
    private readonly env: PrimaryEnvironment,
    private readonly chunk: StoredChunk,
    private readonly chunkLog: ChunkLog,
    private readonly version: number,
    replicas: AppendRequest["replicas"],
  ) {
    const events = {
      onProgress: () => this.advance(),
      onDropped: (secondary: Secondary, why: Error) => this.onDropped(secondary, why),
    };
    this.secondaries = replicas
      .slice(1)
      .map((replica) => new Secondary(replica, env.links.to(replica.address), env.clock, events));
  }

  /**
   * Gives the records of `run` their places and appends them; resolves when the quorum has them on disk. `release` is
   * called when no replica's copy of the bytes is needed any more.
   */
  append(request: AppendRequest, run: Run, release: () => void): Promise<AppendResponse> {
    if (this.abortedBy) throw this.abortedBy;
    if (run.size > this.chunkLog.room) {
      throw new ChunkError("CHUNK_FULL", `chunk ${request.handle} has room for ${this.chunkLog.room} bytes`);
    }
    const offset = this.chunkLog.end;
    const end = offset + run.size;
    const recordCrcs = placeRun(run, offset);
    const answer = new Promise<AppendResponse>((resolve, reject) => {
      const since = this.env.clock.monotonic();
      this.pending.push({ offset, end, recordCrcs, since, resolve, reject });
    });
    const copies = [this.writeHere(run)];
    const forward = new PackedMeta(replicateRequest(request, offset));
    for (const secondary of this.secondaries) {
      if (!secondary.dropped) copies.push(secondary.replicate(forward, run.parts, end));
    }
    void Promise.all(copies).then(release);
    this.checkTimer ??= this.env.clock.after(CHECK_MS, () => this.check());
    return answer;
  }

  /** Ends the chunk: every append that waits is told `why`, and the other replicas that no more will come. */
  abort(why: ChunkError): void {
    if (this.abortedBy) return;
    this.abortedBy = why;
    this.chunkLog.close(
      new ChunkError("NOT_OPEN", `chunk ${this.chunk.handle} was aborted: use a fresh chunk`),
    );
    this.checkTimer?.cancel();
    this.commitTimer?.cancel();
    for (const { reject } of this.pending) reject(why);
    this.pending.length = 0;
    for (const secondary of this.secondaries) {
      secondary.notify(ChunkOp.abort, { handle: this.chunk.handle, version: this.version });
      secondary.retire();
    }
  }

  private async writeHere(run: Run): Promise<void> {
    try {
      await this.chunkLog.append(run.parts, run.size);
    } catch (error) {
      this.abort(this.ownFailure(error as ChunkError));
      return;
    }
    this.advance();
  }

  /** OVERLOADED tells a writer to try the same chunk again; but once a write has failed here, the chunk has ended. */
  private ownFailure(error: ChunkError): ChunkError {
    return error.code === "OVERLOADED" ? this.noQuorum(`(${error.message})`) : error;
  }

  private advance(): void {
    const best = Math.max(...this.secondaries.map(({ durable }) => durable));
    const committed = Math.min(this.chunk.length, best);
    if (this.abortedBy || committed <= this.committed) return;
    this.committed = committed;
    this.chunk.committed = committed;
    let answered = 0;
    while (answered < this.pending.length && this.pending[answered]!.end <= committed) answered++;
    for (const pending of this.pending.splice(0, answered)) pending.resolve(this.response(pending));
    this.dropLaggards();
    this.commitTimer ??= this.env.clock.after(COMMIT_NOTICE_MS, () => this.tellCommitted());
  }

  private response({ offset, end, recordCrcs }: Pending): AppendResponse {
    const having = this.secondaries.filter(({ durable }) => durable >= end);
    assert(having.length > 0 && this.chunk.length >= end, "an answered append has its quorum");
    return {
      offset,
      recordCrcs,
      prepared: [this.env.selfId, ...having.map(({ replica }) => replica.id)],
      dropped: this.secondaries.filter(({ dropped }) => dropped).map(({ replica }) => replica.id),
    };
  }

  private tellCommitted(): void {
    this.commitTimer = undefined;
    if (this.committed === this.told) return;
    this.told = this.committed;
    const notice = { handle: this.chunk.handle, version: this.version, length: this.committed };
    for (const secondary of this.secondaries) secondary.notify(ChunkOp.commit, notice);
  }

  private check(): void {
    this.checkTimer = undefined;
    this.dropLaggards();
    const oldest = this.pending[0];
    if (oldest && this.env.clock.monotonic() - oldest.since >= QUORUM_TIMEOUT_MS) {
      this.abort(this.noQuorum(`in ${QUORUM_TIMEOUT_MS} ms`));
    }
    const behind = this.secondaries.some(({ dropped, durable }) => !dropped && durable < this.chunkLog.end);
    if (!this.abortedBy && (behind || this.pending.length > 0)) {
      this.checkTimer = this.env.clock.after(CHECK_MS, () => this.check());
    }
  }

  private dropLaggards(): void {
    for (const secondary of this.secondaries) {
      const { bytes, ms } = secondary.lag(this.committed);
      if (bytes > LAG_BYTES_MAX || ms > LAG_MS_MAX) {
        secondary.drop(new Error(`it lags ${bytes} bytes and ${Math.round(ms)} ms behind the quorum`));
      }
    }
  }

  private onDropped(secondary: Secondary, why: Error): void {
    if (this.abortedBy) return;
    const { handle } = this.chunk;
    this.env.log.warn("a secondary was dropped from a chunk", {
      handle,
      secondary: secondary.replica.id,
      why: why.message,
    });
    if (this.secondaries.every(({ dropped }) => dropped)) this.abort(this.noQuorum(`(${why.message})`));
  }

  private noQuorum(why: string): ChunkError {
    return new ChunkError(
      "NO_QUORUM",
      `fewer than 2 replicas of chunk ${this.chunk.handle} took the append ${why}: use a fresh chunk`,
    );
  }
}

function replicateRequest(request: AppendRequest, offset: number): ReplicateRequest {
  const { handle, version, replicas, capability, expiresAt } = request;
  return { handle, version, replicas, capability, expiresAt, offset };
}
