// Latencies in bounded memory: log-linear buckets as in HdrHistogram, so that a percentile is off by under 0.8 % of its
// value whatever the number of samples.

/** Buckets for each doubling of the value. */
const SUB_BUCKETS = 128;
const SUB_BITS = 7;
/** Values from 1 us to 2^32 us (71 minutes), over the longest timeout. */
const EXPONENTS = 32 - SUB_BITS + 1;

export class Histogram {
  private readonly counts = new Float64Array((EXPONENTS + 1) * SUB_BUCKETS);
  count = 0;
  maxUs = 0;
  private sumUs = 0;

  /** Takes one latency in microseconds. */
  record(us: number): void {
    const value = Math.max(0, Math.round(us));
    this.counts[Math.min(indexOf(value), this.counts.length - 1)]!++;
    this.count++;
    this.sumUs += value;
    if (value > this.maxUs) this.maxUs = value;
  }

  add(other: Histogram): void {
    for (let i = 0; i < this.counts.length; i++) this.counts[i]! += other.counts[i]!;
    this.count += other.count;
    this.sumUs += other.sumUs;
    this.maxUs = Math.max(this.maxUs, other.maxUs);
  }

  /** The latency that `share` (0..1) of the samples do not exceed, us; 0 without samples. */
  percentileUs(share: number): number {
    let left = Math.ceil(share * this.count);
    if (left === 0) return 0;
    for (let i = 0; i < this.counts.length; i++) {
      left -= this.counts[i]!;
      if (left <= 0) return Math.min(upperEdge(i), this.maxUs);
    }
    return this.maxUs;
  }

  meanUs(): number {
    return this.count === 0 ? 0 : this.sumUs / this.count;
  }

  /** The samples as [upper edge of the bucket in us, count], empty buckets left out. */
  buckets(): [number, number][] {
    const filled: [number, number][] = [];
    for (let i = 0; i < this.counts.length; i++) {
      if (this.counts[i]! > 0) filled.push([upperEdge(i), this.counts[i]!]);
    }
    return filled;
  }
}

function indexOf(value: number): number {
  if (value < SUB_BUCKETS) return value;
  const exponent = Math.floor(Math.log2(value)) - SUB_BITS;
  return (exponent + 1) * SUB_BUCKETS + Math.floor(value / 2 ** exponent) - SUB_BUCKETS;
}

function upperEdge(index: number): number {
  if (index < SUB_BUCKETS) return index;
  const exponent = Math.floor(index / SUB_BUCKETS) - 1;
  return ((index % SUB_BUCKETS) + SUB_BUCKETS + 1) * 2 ** exponent - 1;
}
