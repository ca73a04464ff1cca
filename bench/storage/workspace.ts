// The place in a bucket where a run keeps its objects, and the way to leave nothing behind.
import type { ObjectBodies } from "./object-bodies.ts";
import { codeOf, S3Client, type S3Target } from "./s3-client.ts";

/** Keys a worker made and did not delete yet, per worker. */
interface Made {
  /** Keys are `<prefix>/<worker>/<number>` for numbers from `oldest` up to, not including, `next`. */
  oldest: number;
  next: number;
}

export interface Cleanup {
  deleted: number;
  /** By code; what stays behind. */
  failures: Record<string, number>;
}

/** Objects named by worker and number under one prefix: which exist is known from two counters, not from a list. */
export class ObjectSet {
  private readonly made: Made[];

  constructor(
    private readonly workspace: Workspace,
    readonly prefix: string,
    readonly size: number,
  ) {
    this.made = workspace.clients.map(() => ({ oldest: 0, next: 0 }));
  }

  /** Stores one more object as `worker`. */
  async put(worker: number): Promise<void> {
    const made = this.made[worker]!;
    const key = this.key(worker, made.next);
    // Counted before it is stored: an upload that failed half-way may have left an object.
    made.next++;
    await this.workspace.clients[worker]!.put(
      this.workspace.bucket,
      key,
      this.workspace.bodies.of(this.size, key),
    );
  }

  /** Stores objects by all workers at once until there are `count`. */
  async fill(count: number, signal: AbortSignal): Promise<void> {
    let left = count;
    await this.workspace.byAll(async (worker) => {
      while (left-- > 0 && !signal.aborted) await this.put(worker);
    });
  }

  /** Deletes the oldest object of `worker`; false when it has none. */
  async deleteOldest(worker: number): Promise<boolean> {
    const made = this.made[worker]!;
    if (made.oldest === made.next) return false;
    const key = this.key(worker, made.oldest++);
    await this.workspace.clients[worker]!.delete(this.workspace.bucket, key);
    return true;
  }

  /** The key of the `index`-th object, counted over all workers; wraps around. There must be one. */
  keyAt(index: number): string {
    let left = index % this.count();
    for (const [worker, { oldest, next }] of this.made.entries()) {
      if (left < next - oldest) return this.key(worker, oldest + left);
      left -= next - oldest;
    }
    throw new RangeError("the set has no object");
  }

  count(): number {
    return this.made.reduce((sum, { oldest, next }) => sum + next - oldest, 0);
  }

  key(worker: number, number: number): string {
    return `${this.workspace.prefix}${this.prefix}/${worker}/${number}`;
  }

  /** Deletes everything that may be there. Failures are counted, not thrown: the rest must still go. */
  async clear(cleanup: Cleanup): Promise<void> {
    await this.workspace.byAll(async (worker) => {
      for (let failures = 0; failures < CLEANUP_FAILURES_MAX; ) {
        try {
          if (!(await this.deleteOldest(worker))) return;
          cleanup.deleted++;
        } catch (error) {
          failures++;
          const code = codeOf(error);
          cleanup.failures[code] = (cleanup.failures[code] ?? 0) + 1;
        }
      }
    });
  }
}

/** A server that fails this often in a row of deletes is gone. */
const CLEANUP_FAILURES_MAX = 5;

export class Workspace {
  /** One connection a worker. */
  readonly clients: S3Client[];
  private readonly sets: ObjectSet[] = [];
  private bucketMade = false;

  /** `bucket` is made and removed where it is the run's own; else only keys below `prefix` are touched. */
  constructor(
    target: S3Target,
    workers: number,
    readonly bucket: string,
    private readonly ownBucket: boolean,
    readonly prefix: string,
    readonly bodies: ObjectBodies,
  ) {
    this.clients = Array.from({ length: workers }, () => new S3Client(target));
  }

  async open(): Promise<void> {
    if (!this.ownBucket) return;
    await this.clients[0]!.createBucket(this.bucket);
    this.bucketMade = true;
  }

  objects(prefix: string, size: number): ObjectSet {
    const set = new ObjectSet(this, prefix, size);
    this.sets.push(set);
    return set;
  }

  /** Runs `work` as every worker at once. */
  async byAll(work: (worker: number) => Promise<void>): Promise<void> {
    await Promise.all(this.clients.map((_, worker) => work(worker)));
  }

  /** Removes all that the run made. */
  async close(): Promise<Cleanup> {
    const cleanup: Cleanup = { deleted: 0, failures: {} };
    for (const set of this.sets) await set.clear(cleanup);
    if (this.bucketMade) {
      try {
        await this.clients[0]!.deleteBucket(this.bucket);
      } catch (error) {
        const code = codeOf(error);
        cleanup.failures[code] = (cleanup.failures[code] ?? 0) + 1;
      }
    }
    for (const client of this.clients) client.close();
    return cleanup;
  }
}
