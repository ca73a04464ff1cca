// Objects as both storage APIs see them: bytes go to and come from chunkservers, everything else is the master's.
// The one place where data is written and then committed, and where a record is fetched and then its bytes.
import type { Extent } from "../../chunkd/protocol/record.ts";
import type { MasterClient } from "../../masterd/client/client.ts";
import type {
  Attributes,
  Bucket,
  Condition,
  Locations,
  ObjectRecord,
} from "../../masterd/protocol/messages.ts";
import { assert } from "../../std/assert.ts";
import type { Clock } from "../../std/clock.ts";
import { BucketDirectory } from "./bucket-directory.ts";

/** Puts bytes into chunks; resolves when they are durable. The engine's ChunkWriter. */
export interface DataWriter {
  write(source: AsyncIterable<Uint8Array>, sizeHint?: number): Promise<Extent[]>;
}

/** Streams bytes [start, end) of the object that `extents` make up. The engine's ChunkReader. */
export interface DataReader {
  read(extents: Extent[], locations: Locations, start: number, end: number): AsyncIterable<Uint8Array>;
  /** The same bytes where they are in memory already; undefined where they have to be read. */
  held?(extents: Extent[], start: number, end: number): Uint8Array | undefined;
}

/** Bytes to be stored, and what they turned out to be once all of them were read. */
export interface Payload {
  stream: AsyncIterable<Uint8Array>;
  /** Bytes, where known before. */
  length: number | undefined;
  /** Only after `stream` ended; throws when the bytes are not what their sender said. */
  result(): { readonly md5Hex: string; readonly checksums: Readonly<Partial<Record<string, string>>> };
}

export interface Stored {
  etag: string;
  size: number;
  modifiedAt: number;
  checksums: Record<string, string>;
}

/** An object's record as it was at one moment, and the bytes that belong to it. */
export interface OpenObject {
  object: ObjectRecord;
  /** Streams [start, end): the bytes of this record to the end, or it throws; never another version's. */
  read(start: number, end: number): AsyncIterable<Uint8Array>;
  /** The same bytes where they are in memory already; undefined where they have to be read. */
  held(start: number, end: number): Uint8Array | undefined;
}

export interface StoreParts {
  master: MasterClient;
  writer: DataWriter;
  reader: DataReader;
  clock: Clock;
}

/** Each move of a chunk's bytes takes minutes to matter: more in one read is something else. */
const MOVES_MAX = 8;

export class ObjectStore {
  /** For everything that moves no bytes. Buckets are deleted and given away through the methods below. */
  readonly master: MasterClient;
  private readonly writer: DataWriter;
  private readonly reader: DataReader;
  private readonly buckets: BucketDirectory;

  constructor(parts: StoreParts) {
    this.master = parts.master;
    this.writer = parts.writer;
    this.reader = parts.reader;
    this.buckets = new BucketDirectory(parts.master, parts.clock);
  }

  /** For access decisions: see {@link BucketDirectory}. */
  bucket(name: string): Promise<Bucket> {
    return this.buckets.find(name);
  }

  /** Gives a bucket of `owner` away; throws `PRECONDITION_FAILED` for anybody else's. */
  async giveBucket(name: string, owner: string, newOwner: string): Promise<void> {
    try {
      await this.master.setBucketOwner({ name, owner, newOwner });
    } finally {
      this.buckets.forget(name);
    }
  }

  async deleteBucket(name: string): Promise<void> {
    try {
      await this.master.deleteBucket({ name });
    } finally {
      this.buckets.forget(name);
    }
  }

  /** Stores `payload` and makes it the object at `key`: wholly, or (when this throws) not at all. */
  async put(
    bucket: string,
    key: string,
    payload: Payload,
    attributes: (checksums: Record<string, string>) => Attributes,
    condition?: Condition,
  ): Promise<Stored> {
    const { data, checksums } = await this.write(payload);
    const { modifiedAt } = await this.master.commitObject({
      bucket,
      key,
      data,
      attributes: attributes(checksums),
      condition,
    });
    return { etag: data.etag, size: data.size, modifiedAt, checksums };
  }

  /** Stores `payload` as a part of an upload. */
  async putPart(
    part: { bucket: string; key: string; uploadId: string; partNumber: number },
    payload: Payload,
  ): Promise<Stored> {
    const { data, checksums } = await this.write(payload);
    const { modifiedAt } = await this.master.commitPart({ ...part, data, checksums });
    return { etag: data.etag, size: data.size, modifiedAt, checksums };
  }

  /** Bytes become chunk data that nothing refers to yet; what is never committed is garbage. */
  private async write(payload: Payload) {
    // Nothing to write, yet the stream has to be seen to its end: signatures and checksums are checked there.
    const extents =
      payload.length === 0
        ? await exhaust(payload.stream)
        : await this.writer.write(payload.stream, payload.length);
    const { md5Hex, checksums } = payload.result();
    let size = 0;
    for (const extent of extents) size += extent.length;
    assert(payload.length === undefined || size === payload.length, "extents hold what was sent");
    const known: Record<string, string> = {};
    for (const [algorithm, value] of Object.entries(checksums)) if (value) known[algorithm] = value;
    return { data: { size, etag: md5Hex, extents }, checksums: known };
  }

  /**
   * One call to the master; bytes are fetched when they are read. The reader finds chunks that moved meanwhile; where
   * the object was overwritten and its chunks are gone it fails, and no byte of a newer object follows.
   */
  async open(bucket: string, key: string): Promise<OpenObject> {
    const { object, locations } = await this.master.getObject({ bucket, key });
    return {
      object,
      read: (start, end) => this.read({ bucket, object, locations }, start, end),
      held: (start, end) => this.reader.held?.(object.extents, start, end),
    };
  }

  /** A compaction may move the bytes while they are read, and a long time later take away where they were. */
  private async *read(place: Place, start: number, end: number): AsyncIterable<Uint8Array> {
    let { object, locations } = place;
    let at = start;
    for (let moves = 0; ; moves++) {
      try {
        for await (const bytes of this.reader.read(object.extents, locations, at, end)) {
          at += bytes.length;
          yield bytes;
        }
        return;
      } catch (error) {
        const moved = moves < MOVES_MAX ? await this.moved(place.bucket, object) : undefined;
        if (!moved) throw error;
        ({ object, locations } = moved);
      }
    }
  }

  /** The same version of `object` at another place; undefined when it is where it was, or is no more. */
  private async moved(bucket: string, object: ObjectRecord): Promise<Omit<Place, "bucket"> | undefined> {
    const now = await this.master.getObject({ bucket, key: object.key }).catch(() => undefined);
    if (!now) return undefined;
    const { etag, size, modifiedAt, extents } = now.object;
    const isSame = etag === object.etag && size === object.size && modifiedAt === object.modifiedAt;
    const isElsewhere = extents.some((extent, i) => extent.handle !== object.extents[i]?.handle);
    return isSame && isElsewhere ? now : undefined;
  }
}

interface Place {
  bucket: string;
  object: ObjectRecord;
  locations: Locations;
}

async function exhaust(stream: AsyncIterable<Uint8Array>): Promise<Extent[]> {
  for await (const bytes of stream) assert(bytes.length === 0, "an empty payload has no bytes");
  return [];
}
