// A storage engine in memory, for tests of what the APIs make of one: same calls, same codes, no processes.
// The real one is under s3/s3.test.ts.
import { RemoteError } from "../../../chunkd/protocol/errors.ts";
import type { Extent } from "../../../chunkd/protocol/record.ts";
import type { MasterClient } from "../../../masterd/client/client.ts";
import type { Bucket, Condition, MasterErrorCode, ObjectRecord } from "../../../masterd/protocol/messages.ts";
import type { DataReader, DataWriter } from "../objects.ts";

function fail(code: MasterErrorCode, detail?: unknown): never {
  throw new RemoteError<MasterErrorCode>(code, code, detail);
}

interface MemoryBucket {
  bucket: Bucket;
  objects: Map<string, ObjectRecord>;
}

/** Bytes of chunks by handle; one write is one chunk. */
export class MemoryChunks implements DataWriter, DataReader {
  readonly bytes = new Map<number, Buffer>();
  /** When set, runs before each piece is given out: tests throw or wait here. */
  beforePiece: ((at: number) => Promise<void> | void) | undefined;
  /** When set, every write fails with it once its source ended. */
  writeError: Error | undefined;
  /** Streams that were given up before their end. */
  returned = 0;

  async write(source: AsyncIterable<Uint8Array>): Promise<Extent[]> {
    const pieces: Uint8Array[] = [];
    for await (const bytes of source) pieces.push(Uint8Array.from(bytes));
    if (this.writeError) throw this.writeError;
    const handle = this.bytes.size + 1;
    const whole = Buffer.concat(pieces);
    this.bytes.set(handle, whole);
    return [{ handle, offset: 64, length: whole.length, checksum: 0 }];
  }

  async *read(
    extents: Extent[],
    _locations: unknown,
    start: number,
    end: number,
  ): AsyncGenerator<Uint8Array> {
    const chunks = extents.map(({ handle }) => this.bytes.get(handle)!);
    const whole = (chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks)).subarray(start, end);
    let at = 0;
    try {
      for (; at < whole.length; at += 1 << 20) {
        await this.beforePiece?.(start + at);
        yield whole.subarray(at, at + (1 << 20));
      }
    } finally {
      if (at < whole.length) this.returned++;
    }
  }
}

const byBytes = (a: string, b: string): number => Buffer.compare(Buffer.from(a), Buffer.from(b));

function check(condition: Condition | undefined, object: ObjectRecord | undefined): void {
  const matches = (etags: string[]): boolean =>
    object !== undefined && (etags.includes("*") || etags.includes(object.etag));
  if (condition?.ifMatch && !object) fail("NO_SUCH_KEY");
  if (condition?.ifMatch && !matches(condition.ifMatch)) fail("PRECONDITION_FAILED");
  if (condition?.ifNoneMatch && matches(condition.ifNoneMatch)) fail("PRECONDITION_FAILED");
}

/** The master's methods that the APIs use, but for listings with delimiters and multipart, which need the real one. */
export class MemoryMaster {
  private readonly buckets = new Map<string, MemoryBucket>();
  /** When set, the named methods reject with it. */
  readonly errors = new Map<string, Error>();
  /** How often each method was called. */
  readonly calls = new Map<string, number>();
  private clock = Date.UTC(2026, 0, 2, 3, 4, 5);

  private find(name: string): MemoryBucket {
    return this.buckets.get(name) ?? fail("NO_SUCH_BUCKET");
  }

  private object(bucket: string, key: string): ObjectRecord {
    return this.find(bucket).objects.get(key) ?? fail("NO_SUCH_KEY");
  }

  private readonly methods: Partial<MasterClient> = {
    createBucket: async ({ name, owner }) => {
      const taken = this.buckets.get(name);
      if (taken) fail("BUCKET_EXISTS", { owner: taken.bucket.owner });
      const bucket = { name, owner, createdAt: this.clock };
      this.buckets.set(name, { bucket, objects: new Map() });
      return bucket;
    },
    deleteBucket: async ({ name }) => {
      if (this.find(name).objects.size > 0) fail("BUCKET_NOT_EMPTY");
      this.buckets.delete(name);
      return null;
    },
    getBucket: async ({ name }) => this.find(name).bucket,
    listBuckets: async ({ owner, max }) => {
      const all = [...this.buckets.values()].map(({ bucket }) => bucket);
      const own = all.filter((bucket) => owner === undefined || bucket.owner === owner);
      return { buckets: own.sort((a, b) => byBytes(a.name, b.name)).slice(0, max) };
    },
    commitObject: async ({ bucket, key, data, attributes, condition }) => {
      const { objects } = this.find(bucket);
      check(condition, objects.get(key));
      this.clock += 1000;
      objects.set(key, { key, ...data, attributes, modifiedAt: this.clock });
      return { modifiedAt: this.clock };
    },
    getObject: async ({ bucket, key }) => ({ object: this.object(bucket, key), locations: {} }),
    headObject: async ({ bucket, key }) => ({ object: this.object(bucket, key) }),
    deleteObject: async ({ bucket, key, condition }) => {
      const { objects } = this.find(bucket);
      check(condition, objects.get(key));
      return { deleted: objects.delete(key) };
    },
    copyObject: async ({ source, sourceCondition, bucket, key, attributes, condition }) => {
      const from = this.object(source.bucket, source.key);
      check(sourceCondition, from);
      const { objects } = this.find(bucket);
      check(condition, objects.get(key));
      this.clock += 1000;
      const copy = { ...from, key, attributes: attributes ?? from.attributes, modifiedAt: this.clock };
      objects.set(key, copy);
      return { etag: copy.etag, modifiedAt: copy.modifiedAt, attributes: copy.attributes };
    },
    listObjects: async ({ bucket, prefix = "", after, max }) => {
      const objects = [...this.find(bucket).objects.values()]
        .filter(({ key }) => key.startsWith(prefix) && (after === undefined || byBytes(key, after) > 0))
        .sort((a, b) => byBytes(a.key, b.key));
      const page = objects.slice(0, max);
      return { objects: page, commonPrefixes: [], next: objects.length > max ? page.at(-1)?.key : undefined };
    },
  };

  /** As the APIs take it. A method that is not here rejects by that name. */
  get client(): MasterClient {
    return new Proxy({} as MasterClient, {
      get: (_, name: keyof MasterClient) => async (request: never) => {
        this.calls.set(name, (this.calls.get(name) ?? 0) + 1);
        const error = this.errors.get(name);
        if (error) throw error;
        const method = this.methods[name] as ((request: never) => Promise<unknown>) | undefined;
        if (!method) throw new Error(`the memory master has no ${name}`);
        return method(request);
      },
    });
  }
}
