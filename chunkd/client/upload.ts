import type { Extent } from "../protocol/record.ts";
import type { StoredRecord } from "./append-runs.ts";
import { ExtentList } from "./extent-list.ts";
import type { SegmentCutter } from "./segment-cutter.ts";
import type { Segment } from "./segments.ts";

/**
 * Segments of one object under way at once. All that come during a sync share the next one: the more of them, the larger the
 * batches, and a sync costs by the call as much as by the byte.
 */
const WINDOW = 12;

/** One object on its way into chunks. */
export class Upload {
  private readonly extents = new ExtentList();
  /** In the order of the object's bytes. */
  private readonly underWay: Promise<StoredRecord>[] = [];
  /** The chunks that hold some of it. */
  readonly handles = new Set<number>();
  private failure: { error: unknown } | undefined;
  private interrupt: ((error: unknown) => void) | undefined;

  constructor(
    private readonly cutter: SegmentCutter,
    /** Stores a segment; `isUnwanted` turns true when the object failed. */
    private readonly store: (segment: Segment, isUnwanted: () => boolean) => Promise<StoredRecord>,
  ) {}

  /** Rejects with the source's error or the store's, whichever comes first. */
  async run(): Promise<Extent[]> {
    try {
      for (;;) {
        const hasMore = await this.unlessFailed(this.cutter.next());
        if (!hasMore) break;
        this.underWay.push(this.start(this.cutter.take()));
        if (this.underWay.length >= WINDOW) await this.settleFirst();
      }
      while (this.underWay.length > 0) await this.settleFirst();
      return this.extents.extents;
    } catch (error) {
      this.fail(error);
      throw error;
    } finally {
      this.cutter.stop();
    }
  }

  /** Ends {@link run} with `error`, also while it waits for the source. */
  fail(error: unknown): void {
    this.failure ??= { error };
    this.interrupt?.(error);
  }

  /** Resolves when nothing of this object is under way any more. */
  async drained(): Promise<void> {
    await Promise.allSettled(this.underWay);
  }

  private start(segment: Segment): Promise<StoredRecord> {
    const storing = this.store(segment, () => this.failure !== undefined).finally(() => segment.release());
    storing.then(
      ({ handle }) => this.handles.add(handle),
      (error) => this.fail(error),
    );
    return storing;
  }

  private async settleFirst(): Promise<void> {
    const record = await this.unlessFailed(this.underWay[0]!);
    this.underWay.shift();
    this.extents.add(record);
  }

  /** A promise of its own each time: a race against one long-lived promise would keep every turn of a long upload. */
  private unlessFailed<T>(promise: Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      this.interrupt = reject;
      promise.then(resolve, reject);
      if (this.failure) reject(this.failure.error);
    });
  }
}
