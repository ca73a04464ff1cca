// Compaction: a new chunk made of what is still alive in an old one, by each of its replicas from its own file.
import type { Reply } from "../protocol/connection.ts";
import { COMPACT_EXTENTS_MAX, type CompactRequest } from "../protocol/messages.ts";
import { BLOCK_SIZE, CHUNK_HEADER_SIZE, extentEnd, RECORD_PAYLOAD_MAX } from "../protocol/record.ts";
import type { StoredChunk } from "../store/chunk.ts";
import type { ChunkReader } from "../store/chunk-reader.ts";
import type { ChunkStore } from "../store/chunk-store.ts";
import { ChunkError } from "../store/errors.ts";
import {
  BadSource,
  comparingOutput,
  copiedLength,
  copyExtents,
  type ExtentCopy,
  type Output,
  type Place,
} from "../store/extent-copy.ts";
import type { Pace } from "./pace.ts";
import { Turns } from "./turns.ts";

/** At once: each reads and writes up to 64 MiB beside the users' own load. */
const COMPACTIONS_MAX = 1;
/** That may wait, each with its request of up to 1 MiB. */
const COMPACTIONS_WAITING_MAX = 4;

export interface CompactionsEnvironment {
  store: ChunkStore;
  reader: ChunkReader;
  clusterId: string;
  /** Of all copies and compactions together. */
  pace: Pace;
}

export class Compactions {
  private readonly turns = new Turns(COMPACTIONS_MAX, COMPACTIONS_WAITING_MAX, "compactions");

  constructor(private readonly env: CompactionsEnvironment) {}

  /**
   * Answers as {@link CompactRequest} says. Throws `BAD_REQUEST` for extents that are none of the source's, or a target
   * that is here with something else; `NO_SUCH_CHUNK`, `OUT_OF_RANGE` or `STALE_VERSION` when the source is not here
   * as it should be; `CHECKSUM` when it is damaged, or the target's removal in between. Nothing is left then.
   */
  async compact(request: CompactRequest, body: Buffer): Promise<Reply> {
    const mark = this.env.store.removalMark();
    const copy = {
      source: request.source,
      sourceLength: request.sourceLength,
      places: placesOf(body, request),
      target: request.target,
      version: request.version,
      clusterId: this.env.clusterId,
    };
    return await this.turns.run(() => this.make(this.sourceOf(request), copy, mark));
  }

  private sourceOf({ source, sourceVersion, sourceLength }: CompactRequest): StoredChunk {
    const chunk = this.env.store.find(source);
    if (chunk.version !== sourceVersion) {
      throw new ChunkError(
        "STALE_VERSION",
        `chunk ${source} is at version ${chunk.version}, not ${sourceVersion}`,
      );
    }
    if (!chunk.sealed || chunk.length !== sourceLength) {
      const state = chunk.sealed ? "sealed" : "not sealed, and durable";
      throw new ChunkError(
        "OUT_OF_RANGE",
        `chunk ${source} is ${state} at ${chunk.length}, not sealed at ${sourceLength}`,
      );
    }
    return chunk;
  }

  private async make(source: StoredChunk, copy: ExtentCopy, mark: number): Promise<Reply> {
    const { store, reader, pace } = this.env;
    const { target: handle, version } = copy;
    const length = copiedLength(copy.places);
    let answer: Buffer | undefined;
    const run = async (output: Output): Promise<void> => {
      answer = await this.copy(source, copy, async (bytes, position) => {
        await pace.take(bytes.length);
        await output(bytes, position);
      });
    };
    await store.replace({ handle, version, length }, run, mark);
    if (answer === undefined) {
      await reader.reading(store.find(handle), (file) => run(comparingOutput(file, copy, length)));
    }
    return { meta: { length }, body: answer };
  }

  private async copy(source: StoredChunk, copy: ExtentCopy, output: Output): Promise<Buffer> {
    const { reader } = this.env;
    let failure: unknown;
    const answer = await reader.reading(source, async (file) => {
      try {
        return await copyExtents(file, copy, async (bytes, position) => {
          // An error of the target's file must not be taken for one of the source's.
          await output(bytes, position).catch((error: unknown) => {
            failure = error;
            throw new ChunkError("INTERNAL", "the output failed");
          });
        });
      } catch (error) {
        if (failure !== undefined) return undefined;
        if (!(error instanceof BadSource)) throw error;
        throw await this.badSource(source, error);
      }
    });
    if (answer === undefined) throw failure;
    return answer;
  }

  /** The reader tells damage, which it marks, from extents that never were. */
  private async badSource({ handle }: StoredChunk, { at, isRecord }: BadSource): Promise<ChunkError> {
    const { reader } = this.env;
    if (isRecord) return new ChunkError("BAD_REQUEST", `chunk ${handle} has no such extent at ${at}`);
    try {
      const blockCount = RECORD_PAYLOAD_MAX / BLOCK_SIZE;
      await reader.read({ handle, offset: at, firstBlock: 0, blockCount });
    } catch (error) {
      if (error instanceof ChunkError) return error;
      throw error;
    }
    return new ChunkError("CHECKSUM", `chunk ${handle} was read wrongly at ${at}: ask again`);
  }
}

/** The request's extents. Throws `BAD_REQUEST` unless they are in order, apart, and within the source. */
function placesOf(body: Buffer, { source, sourceLength, target }: CompactRequest): Place[] {
  const count = body.length / 8;
  if (!Number.isInteger(count) || count === 0 || count > COMPACT_EXTENTS_MAX) {
    throw new ChunkError("BAD_REQUEST", `a compaction is of 1 to ${COMPACT_EXTENTS_MAX} extents of 8 bytes`);
  }
  if (source === target) throw new ChunkError("BAD_REQUEST", "a chunk is not compacted into itself");
  const places: Place[] = [];
  let end = CHUNK_HEADER_SIZE;
  for (let at = 0; at < body.length; at += 8) {
    const place = { offset: body.readUInt32LE(at), length: body.readUInt32LE(at + 4) };
    if (place.length === 0 || place.offset < end || extentEnd(place) > sourceLength) {
      throw new ChunkError("BAD_REQUEST", `extent ${at / 8} is out of order or out of chunk ${source}`);
    }
    end = extentEnd(place);
    places.push(place);
  }
  return places;
}
