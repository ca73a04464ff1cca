import type { Clock } from "../../std/clock.ts";
import { BoundedMap } from "./bounded-map.ts";

export interface RateLimitOptions {
  /** How many attempts are free at once. */
  burst: number;
  /** ms after which one more is. */
  refillMs: number;
  /** Keys remembered; beyond it the one not seen for longest starts afresh. */
  keysMax: number;
}

interface Bucket {
  tokens: number;
  /** Monotonic ms of the last look. */
  at: number;
}

/** A token bucket per key, in bounded memory. */
export class RateLimit {
  private readonly buckets: BoundedMap<string, Bucket>;

  constructor(
    private readonly clock: Clock,
    private readonly options: RateLimitOptions,
  ) {
    this.buckets = new BoundedMap(options.keysMax);
  }

  /** Takes one attempt of `key`. Returns 0, or the ms until there is one. */
  take(key: string): number {
    const bucket = this.refilled(key);
    if (bucket.tokens < 1) return Math.ceil((1 - bucket.tokens) * this.options.refillMs);
    bucket.tokens -= 1;
    return 0;
  }

  /** Gives an attempt back that turned out well. */
  giveBack(key: string): void {
    const bucket = this.refilled(key);
    bucket.tokens = Math.min(this.options.burst, bucket.tokens + 1);
  }

  private refilled(key: string): Bucket {
    const now = this.clock.monotonic();
    const bucket = this.buckets.get(key) ?? { tokens: this.options.burst, at: now };
    bucket.tokens = Math.min(this.options.burst, bucket.tokens + (now - bucket.at) / this.options.refillMs);
    bucket.at = now;
    this.buckets.set(key, bucket);
    return bucket;
  }
}
