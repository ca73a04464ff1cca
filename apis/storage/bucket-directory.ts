// Who owns which bucket, remembered for a moment, so that a GET or PUT of an object costs one call to the master and
// not two. What it says is used to decide access alone: that a bucket is still there is for the master to say.
import type { MasterClient } from "../../masterd/client/client.ts";
import type { Bucket } from "../../masterd/protocol/messages.ts";
import type { Clock } from "../../std/clock.ts";

/**
 * For so long another process's deletion, and a new owner of the same name, may stay unseen here. Deletions through
 * this process are seen at once.
 */
export const BUCKET_TTL_MS = 1_000;
const BUCKETS_MAX = 10_000;

export class BucketDirectory {
  private readonly known = new Map<string, { bucket: Bucket; until: number }>();
  /** Grows with each deletion: an answer that was under way meanwhile is not remembered. */
  private deletions = 0;

  constructor(
    private readonly master: Pick<MasterClient, "getBucket">,
    private readonly clock: Pick<Clock, "monotonic">,
  ) {}

  /** Throws the master's error (`NO_SUCH_BUCKET`); that a bucket is missing is never remembered. */
  async find(name: string): Promise<Bucket> {
    const now = this.clock.monotonic();
    const hit = this.known.get(name);
    if (hit && hit.until > now) return hit.bucket;
    const before = this.deletions;
    const bucket = await this.master.getBucket({ name });
    if (before === this.deletions) {
      if (this.known.size >= BUCKETS_MAX) this.known.clear();
      this.known.set(name, { bucket, until: now + BUCKET_TTL_MS });
    }
    return bucket;
  }

  forget(name: string): void {
    this.deletions++;
    this.known.delete(name);
  }
}
