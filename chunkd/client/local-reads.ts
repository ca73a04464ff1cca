// Short-circuit reads: where a chunkserver runs on this machine, its chunk file is read in place, verified by the same
// checksums as an answer of its own. Whatever is not there whole and sound is asked for over the wire: the chunkserver itself
// then tells a damaged replica from one that is only behind.
import type { Clock } from "../../std/clock.ts";
import type { Disk, DiskFile } from "../../std/disk.ts";
import type { Replica } from "../protocol/messages.ts";
import { BLOCK_SIZE, recordHeadSize } from "../protocol/record.ts";
import { LocalFiles } from "./local-files.ts";
import type { ConnectionPool } from "./pool.ts";
import { type RecordRange, verifiedBytes } from "./record-range.ts";

/** This machine: its id as `thisHost` tells it, and its disk. */
export interface LocalHost {
  host: string;
  disk: Disk;
}

interface Verified {
  pieces: Buffer[];
  recordCrc: number;
}

/** A part of a record's file bytes, and where it lies. */
interface Piece {
  bytes: Buffer;
  position: number;
}

export class LocalReads {
  private readonly files: LocalFiles;

  constructor(
    env: { clock: Clock },
    private readonly local: LocalHost,
    clusterId: string,
    private readonly pool: Pick<ConnectionPool, "localAccess">,
  ) {
    this.files = new LocalFiles({ clock: env.clock, disk: local.disk }, clusterId);
  }

  /** The record from the first of `replicas` whose file is open here; undefined where the wire has to do. */
  read(
    range: RecordRange,
    replicas: readonly Replica[],
  ): Verified | Promise<Verified | undefined> | undefined {
    const { handle } = range.extent;
    for (const { address } of replicas) {
      const access = this.pool.localAccess(address);
      if (access?.host !== this.local.host || access.chunks === undefined) continue;
      const directory = access.chunks;
      const file = this.files.file(directory, handle);
      if (!file) continue;
      const pieces = piecesOf(range);
      if (pieces.every((piece) => readAtOnce(file, piece))) return this.verified(range, pieces, directory);
      return this.readSlowly(range, pieces, file, directory);
    }
    return undefined;
  }

  close(): void {
    this.files.close();
  }

  private async readSlowly(range: RecordRange, pieces: Piece[], file: DiskFile, directory: string) {
    const { handle } = range.extent;
    try {
      const counts = await this.files.using(directory, handle, () =>
        Promise.all(pieces.map(({ bytes, position }) => file.read(bytes, position))),
      );
      if (counts.every((count, i) => count === pieces[i]!.bytes.length)) {
        return this.verified(range, pieces, directory);
      }
    } catch {
      // EIO and the like: the chunkserver will find the same.
    }
    this.files.refuse(directory, handle);
    return undefined;
  }

  private verified(range: RecordRange, pieces: Piece[], directory: string): Verified | undefined {
    const verified = verifiedBytes(
      range,
      pieces.map(({ bytes }) => bytes),
    );
    if (typeof verified !== "string") return verified;
    this.files.refuse(directory, range.extent.handle);
    return undefined;
  }
}

/** Buffers for the record's head and for the blocks of `range`; one for both where they lie together. */
function piecesOf({ offset, size, firstBlock, blockCount }: RecordRange): Piece[] {
  const headSize = recordHeadSize(size);
  const from = firstBlock * BLOCK_SIZE;
  const length = Math.min(size, from + blockCount * BLOCK_SIZE) - from;
  if (from === 0) return [{ bytes: Buffer.allocUnsafe(headSize + length), position: offset }];
  return [
    { bytes: Buffer.allocUnsafe(headSize), position: offset },
    { bytes: Buffer.allocUnsafe(length), position: offset + headSize + from },
  ];
}

function readAtOnce(file: DiskFile, { bytes, position }: Piece): boolean {
  return file.readCached?.(bytes, position) === bytes.length;
}
