// Re-replication: this chunkserver pulls a sealed chunk from others.
import type { ChunkStat, CopyRequest, Replica } from "../protocol/messages.ts";
import { ChunkOp } from "../protocol/messages.ts";
import { SEAL_SIZE } from "../protocol/record.ts";
import type { ChunkReader } from "../store/chunk-reader.ts";
import type { ChunkStore } from "../store/chunk-store.ts";
import { CopyStream } from "../store/copy-stream.ts";
import { ChunkError } from "../store/errors.ts";
import type { Pace } from "./pace.ts";
import type { PeerLinks } from "./peer-links.ts";
import { ReadAhead } from "./read-ahead.ts";
import { Turns } from "./turns.ts";

/** Copies at once; more wait. Each holds 4 pieces of 1 MiB. */
const COPIES_MAX = 4;
/** Copies that may wait; the master asks again for more. */
const COPIES_WAITING_MAX = 256;

type Write = (bytes: Uint8Array, position: number) => Promise<void>;

interface Piece {
  bytes: Buffer;
  /** In the file. */
  position: number;
}

export interface CopiesEnvironment {
  store: ChunkStore;
  reader: ChunkReader;
  links: PeerLinks;
  clusterId: string;
  /** Of all copies together. */
  pace: Pace;
}

export class Copies {
  private readonly turns = new Turns(COPIES_MAX, COPIES_WAITING_MAX, "copies");

  constructor(private readonly env: CopiesEnvironment) {}

  /**
   * Fetches the chunk, verifying what arrives, and puts it in the place of what is here once it is whole on disk. Throws
   * `CHECKSUM` when no source has what should be at some place, `NO_SUCH_CHUNK` when the chunk is removed here meanwhile, or
   * a source's own error; then nothing is left of it.
   */
  async copy(request: CopyRequest): Promise<ChunkStat> {
    const { store } = this.env;
    // Taken before the turn: a removal that comes while this waits must not be undone by it.
    const mark = store.removalMark();
    if (request.damaged) store.doubt(request.handle);
    return await this.turns.run(() => store.replace(request, (write) => this.fetch(request, write), mark));
  }

  private async fetch(request: CopyRequest, write: Write): Promise<void> {
    for await (const { bytes, position } of this.verified(request)) await write(bytes, position);
  }

  /**
   * The file's bytes, nearly in order: some come again from another source. Where a source fails, the next one is asked for
   * what follows the verified bytes, and so on as long as some source gets further: one whose damage is behind us is good
   * for the rest.
   */
  private async *verified({ handle, length, sources }: CopyRequest): AsyncGenerator<Piece> {
    const { clusterId } = this.env;
    const size = length + SEAL_SIZE;
    const stream = new CopyStream({ handle, length, clusterId });
    let failures: Error[] = [];
    for (let from = 0; stream.verified < size; from = (from + 1) % sources.length) {
      const before = stream.verified;
      stream.rewind();
      const failure = yield* this.verifiedFrom(sources[from]!, handle, stream, size);
      if (!failure) continue;
      if (stream.verified > before) failures = [];
      failures.push(failure);
      if (failures.length >= sources.length) throw failures[0];
    }
  }

  /** What `source` has behind the verified bytes, until it fails: returns why. */
  private async *verifiedFrom(
    source: Replica,
    handle: number,
    stream: CopyStream,
    size: number,
  ): AsyncGenerator<Piece, Error | undefined> {
    let position = stream.verified;
    const ask = (at: number, bytes: number): Promise<Buffer> => this.ask(source, handle, at, bytes);
    const pieces = new ReadAhead(ask, position, size);
    while (position < size) {
      const bytes = await pieces.take().catch((error: Error) => error);
      if (bytes instanceof Error) return bytes;
      const failure = stream.take(bytes);
      const good = failure ? Math.max(0, stream.verified - position) : bytes.length;
      if (good > 0) yield { bytes: bytes.subarray(0, good), position };
      if (failure) return failure;
      position += bytes.length;
    }
    return stream.end();
  }

  private async ask(source: Replica, handle: number, position: number, bytes: number): Promise<Buffer> {
    const { store, reader, links } = this.env;
    await this.env.pace.take(bytes);
    const piece =
      source.id === store.serverId
        ? await reader.readFile(handle, position)
        : (await links.to(source.address).call(ChunkOp.readFile, { handle, position })).body;
    if (piece.length !== bytes) {
      const end = `${position + piece.length} of ${position + bytes}`;
      throw new ChunkError("CHECKSUM", `${source.id} has only ${end} bytes of chunk ${handle}`);
    }
    return piece;
  }
}
