// Ends the life of open chunks: fence the members, decide the length, journal it, seal the replicas. Every step may be
// done again, so a crash at any of them is followed by doing all of them again.
import { RemoteError } from "../../chunkd/protocol/errors.ts";
import { ChunkOp, type FenceRequest, type SealRequest } from "../../chunkd/protocol/messages.ts";
import { CHUNK_HEADER_SIZE } from "../../chunkd/protocol/record.ts";
import { fenceResponse } from "./answers.ts";
import type { KnownChunk } from "./directory.ts";
import type { ChunkParts } from "./parts.ts";
import { decideSealLength, type MemberAnswer } from "./seal-length.ts";

/** Chunks being sealed at once. */
const SEALS_MAX = 16;
/** A chunk whose members are away is tried again after so long, doubled each time. */
const RETRY_MIN_MS = 200;
const RETRY_MAX_MS = 5_000;

/** Answers to a fence of a member that has no replica that can be read, and what it may have acknowledged. */
const HAS_NOTHING: ReadonlyMap<string, number> = new Map([
  ["NO_SUCH_CHUNK", 0],
  // Its file is damaged: it will never have more, but it may have had anything.
  ["CHECKSUM", Number.POSITIVE_INFINITY],
]);

interface Pending {
  attempts: number;
  /** Monotonic, ms. */
  notBeforeMs: number;
}

export class Sealer {
  private readonly pending = new Map<number, Pending>();
  private readonly active = new Map<number, Promise<void>>();
  private stopped = false;

  constructor(private readonly parts: ChunkParts) {}

  /** The chunk's lease is over: seals it, now or as soon as its members answer. */
  seal(handle: number): void {
    if (this.parts.directory.get(handle)?.state !== "open" || this.pending.has(handle)) return;
    this.pending.set(handle, { attempts: 0, notBeforeMs: 0 });
    this.tick();
  }

  /** A member is back: its chunks need not wait for their turn. */
  hurry(serverId: string): void {
    for (const [handle, pending] of this.pending) {
      if (this.parts.directory.get(handle)?.members.includes(serverId)) pending.notBeforeMs = 0;
    }
    this.tick();
  }

  /** Starts what is due, as far as there is room. */
  tick(): void {
    if (this.parts.servers.silenced) return;
    const now = this.parts.clock.monotonic();
    for (const [handle, pending] of this.pending) {
      if (this.stopped || this.active.size >= SEALS_MAX) return;
      if (pending.notBeforeMs > now || this.active.has(handle)) continue;
      const attempt = this.attempt(handle, pending).finally(() => {
        this.active.delete(handle);
        this.tick();
      });
      this.active.set(handle, attempt);
    }
  }

  private async attempt(handle: number, pending: Pending): Promise<void> {
    const { directory, clock, log } = this.parts;
    const chunk = directory.get(handle);
    try {
      if (chunk?.state !== "open" || (await this.sealOnce(chunk))) {
        this.pending.delete(handle);
        return;
      }
    } catch (error) {
      log.warn("a chunk could not be sealed yet", { handle, error: String(error) });
    }
    const wait = Math.min(RETRY_MAX_MS, RETRY_MIN_MS * 2 ** Math.min(pending.attempts++, 10));
    pending.notBeforeMs = clock.monotonic() + wait;
  }

  /** Returns whether the chunk's fate is journalled. */
  private async sealOnce(chunk: KnownChunk): Promise<boolean> {
    const { servers, store, clock, log } = this.parts;
    const { handle, members } = chunk;
    const version = chunk.version + 1;
    const answers = await this.fence(chunk, version);
    // That nobody answers then says nothing about them.
    if (servers.silenced) return false;
    const committed = await store.read("all", ({ chunks }) => chunks.get(handle)?.committed ?? 0);
    const silent = members.filter((id) => !answers.some((answer) => answer.id === id));
    const isLastResort = silent.every((id) => servers.isGone(id));
    const decision = decideSealLength(members.length, answers, committed, isLastResort);
    if (decision.kind === "wait") return false;
    if (decision.kind === "short") {
      const { longest } = decision;
      log.error("no member of a chunk has all that objects refer to", { handle, longest, committed });
      return false;
    }
    const { length } = decision;
    const at = clock.now();
    if (length <= CHUNK_HEADER_SIZE) {
      await store.submit<"deleteChunks">({ type: "deleteChunks", handles: [handle], at });
      return true;
    }
    await store.submit<"sealChunk">({ type: "sealChunk", handle, version, length, at });
    log.info("sealed a chunk", { handle, version, length, answers: answers.length });
    const holders = answers.filter((answer) => answer.length >= length);
    await Promise.all(holders.map(({ id }) => this.sealReplica({ handle, version, length }, id)));
    return true;
  }

  /** What each member that answers has on disk; from then on it takes no appends of the old version. */
  private async fence(chunk: KnownChunk, version: number): Promise<MemberAnswer[]> {
    const { servers, directory, log } = this.parts;
    const { handle } = chunk;
    const request: FenceRequest = { handle, version };
    const answers = await Promise.all(
      chunk.members.map(async (id): Promise<MemberAnswer | undefined> => {
        try {
          const { length, limit, acknowledged, diskFailed } = fenceResponse(
            await servers.call(id, ChunkOp.fence, request),
          );
          const damaged = chunk.replicas.get(id)?.damaged ?? false;
          directory.setReplica(handle, id, { version, length, sealed: false, damaged });
          return { id, length, limit, acknowledged, diskFailed };
        } catch (error) {
          if (error instanceof RemoteError && HAS_NOTHING.has(error.code)) {
            directory.dropReplica(handle, id);
            return { id, length: 0, limit: HAS_NOTHING.get(error.code) };
          }
          log.debug("a member did not answer the fence", { handle, server: id, error: String(error) });
          return undefined;
        }
      }),
    );
    return answers.filter((answer) => answer !== undefined);
  }

  private async sealReplica(request: SealRequest, id: string): Promise<void> {
    const { servers, directory, log } = this.parts;
    try {
      await servers.call(id, ChunkOp.seal, request);
      // A reader may have found it damaged meanwhile, and a seal makes nothing whole.
      const damaged = directory.get(request.handle)?.replicas.get(id)?.damaged ?? false;
      directory.setReplica(request.handle, id, { ...request, sealed: true, damaged });
    } catch (error) {
      // The repairer comes back to it: the chunk is a suspect until it has its replicas.
      log.warn("a replica could not be sealed", { handle: request.handle, server: id, error: String(error) });
    }
  }

  async close(): Promise<void> {
    this.stopped = true;
    await Promise.allSettled(this.active.values());
  }
}
