// A mixed load with a model: what was acknowledged is known by key, and each answer is held against it while faults go
// on. A key whose last write has no known outcome is written no more: that write may take effect at any later moment,
// and must not be mistaken for a lost later one.
import { bytesOf } from "./content.ts";
import { type PlainS3, StatusError } from "./plain-s3.ts";

export interface LoadOptions {
  s3: PlainS3;
  bucket: string;
  seed: number;
  workers: number;
  /** Bytes of new content a second, over all workers, on average. */
  bytesPerSecond: number;
}

/** The seed of an object's content, or null for no object. */
type Content = number | null;

const KEYS_PER_WORKER = 40;
const PART_SIZE_MIN = 5 << 20;
const ERROR_PAUSE_MS = 100;
const PACE_MS = 20;

export class MixedLoad {
  /** By the kind of operation. */
  readonly done = new Map<string, number>();
  /** By code or name. */
  readonly errors = new Map<string, number>();
  /** Answers that the model contradicts. */
  readonly violations: string[] = [];
  private readonly settled = new Map<string, Content>();
  private readonly inDoubt = new Map<string, Content[]>();
  private stopped = false;
  private bytes = 0;
  private contents = 0;

  constructor(private readonly options: LoadOptions) {}

  /** Runs until {@link stop}. */
  async run(): Promise<void> {
    const startedAt = performance.now();
    const { workers, seed } = this.options;
    await Promise.all(
      Array.from({ length: workers }, (_, index) => new Worker(this, index, seed).run(startedAt)),
    );
  }

  stop(): void {
    this.stopped = true;
  }

  get stopping(): boolean {
    return this.stopped;
  }

  get operations(): number {
    return total(this.done);
  }

  get failures(): number {
    return total(this.errors);
  }

  /** What may be at each key that was ever used: one content, or several where an outcome is unknown. */
  expectations(): Map<string, Content[]> {
    const all = new Map(this.inDoubt);
    for (const [key, content] of this.settled) all.set(key, [content]);
    return all;
  }

  /** Whether the load is ahead of its pace. */
  isAhead(startedAt: number): boolean {
    return this.bytes > this.options.bytesPerSecond * ((performance.now() - startedAt) / 1000 + 1);
  }

  contentOf(key: string): Content {
    return this.settled.get(key) ?? null;
  }

  nextContent(): number {
    return ++this.contents * 1_000 + this.options.seed;
  }

  /** Writes `content` at `key`; false when the outcome is unknown and the key is left alone from now on. */
  async write(kind: string, key: string, content: Content): Promise<boolean> {
    const { s3, bucket } = this.options;
    try {
      if (content === null) await s3.delete(bucket, key);
      else if (kind === "upload") await s3.upload(bucket, key, partsOf(content));
      else await s3.put(bucket, key, bodyOf(content));
    } catch (error) {
      this.failed(error);
      this.inDoubt.set(key, [this.contentOf(key), content]);
      this.settled.delete(key);
      return false;
    } finally {
      if (content !== null) this.bytes += sizeOf(content);
    }
    this.settled.set(key, content);
    this.count(kind);
    return true;
  }

  /** Reads `key`, which nobody else writes meanwhile. */
  async read(key: string): Promise<boolean> {
    const { s3, bucket } = this.options;
    try {
      const problem = problemOf(await s3.get(bucket, key), [this.contentOf(key)]);
      if (problem) this.violations.push(`GET ${key}: ${problem}`);
      this.count("get");
      return true;
    } catch (error) {
      this.failed(error);
      return false;
    }
  }

  /** Lists `prefix`, where nobody else writes meanwhile. */
  async list(prefix: string): Promise<boolean> {
    const { s3, bucket } = this.options;
    try {
      const listed = new Set(await s3.list(bucket, prefix));
      for (const [key, content] of this.settled) {
        if (!key.startsWith(prefix) || listed.has(key) === (content !== null)) continue;
        this.violations.push(`LIST ${prefix}: ${key} is ${content === null ? "there" : "missing"}`);
      }
      this.count("list");
      return true;
    } catch (error) {
      this.failed(error);
      return false;
    }
  }

  private count(kind: string): void {
    this.done.set(kind, (this.done.get(kind) ?? 0) + 1);
  }

  private failed(error: unknown): void {
    const { name, code } = error as Error & { code?: string };
    const label = error instanceof StatusError ? `${error.status} ${error.code}` : (code ?? name);
    this.errors.set(label, (this.errors.get(label) ?? 0) + 1);
  }
}

class Worker {
  private readonly prefix: string;
  private readonly keys: string[];
  private state: number;
  private named = 0;

  constructor(
    private readonly load: MixedLoad,
    index: number,
    seed: number,
  ) {
    this.prefix = `worker-${index}/`;
    this.state = (seed * 31 + index * 7919 + 1) >>> 0;
    this.keys = Array.from({ length: KEYS_PER_WORKER }, () => this.newKey());
  }

  async run(startedAt: number): Promise<void> {
    while (!this.load.stopping) {
      if (this.load.isAhead(startedAt)) await Bun.sleep(PACE_MS);
      else if (!(await this.step())) await Bun.sleep(ERROR_PAUSE_MS);
    }
  }

  private async step(): Promise<boolean> {
    const { load } = this;
    const kind = this.random(1000);
    const slot = this.random(this.keys.length);
    const key = this.keys[slot]!;
    if (kind < 400) return load.read(key);
    if (kind < 410) return load.list(this.prefix);
    const written = await this.write(kind, key);
    if (!written) this.keys[slot] = this.newKey();
    return written;
  }

  private write(kind: number, key: string): Promise<boolean> {
    if (kind < 520) return this.load.write("delete", key, null);
    return this.load.write(kind < 525 ? "upload" : "put", key, this.load.nextContent());
  }

  private newKey(): string {
    return `${this.prefix}${this.named++}`;
  }

  private random(below: number): number {
    this.state = (Math.imul(this.state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((this.state / 2 ** 32) * below);
  }
}

/** Mostly small, some of several segments, a few that take a chunk for themselves. */
function sizeOf(content: number): number {
  const spread = (Math.imul(content, 2_654_435_761) >>> 0) / 2 ** 32;
  const many = (content / 1_000) | 0;
  if (many % 400 === 0) return Math.floor(9_000_000 + spread * 3_000_000);
  if (many % 120 === 0) return Math.floor(1_000_000 + spread * 2_000_000);
  if (many % 15 === 0) return Math.floor(16_384 + spread * 300_000);
  return Math.floor(spread * 16_384);
}

const bodyOf = (content: number): Buffer => bytesOf(content, sizeOf(content));

/** The same content in parts, the first as small as S3 allows. */
function partsOf(content: number): Buffer[] {
  const body = bodyOf(content);
  return body.length <= PART_SIZE_MIN
    ? [body]
    : [body.subarray(0, PART_SIZE_MIN), body.subarray(PART_SIZE_MIN)];
}

/** Why `found` is none of `allowed`; undefined when it is one. */
export function problemOf(found: Buffer | undefined, allowed: readonly Content[]): string | undefined {
  const fits = allowed.some((content) =>
    content === null ? found === undefined : found !== undefined && bodyOf(content).equals(found),
  );
  if (fits) return undefined;
  const names = allowed.map((content) => (content === null ? "nothing" : `${sizeOf(content)} bytes`));
  return `${found === undefined ? "nothing" : `other ${found.length} bytes`} instead of ${names.join(" or ")}`;
}

function total(counts: ReadonlyMap<string, number>): number {
  return [...counts.values()].reduce((sum, count) => sum + count, 0);
}
