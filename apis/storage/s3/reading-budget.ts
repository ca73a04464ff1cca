// Memory for the bodies of all requests under way. A socket that is read brings up to 512 KiB at once, asked for or not,
// so hundreds of uploads that are each allowed only that would together hold hundreds of MiB.
import { assert } from "../../../std/assert.ts";

/** Bytes of all bodies that were received and are not stored yet; at it no body is read. One event more may come. */
const HELD_BYTES_MAX = 32 << 20;

/** A body whose socket can be left unread. */
export interface PausableBody {
  pause(): void;
  resume(): void;
}

/** Lets bodies be read while together they hold less than `bytesMax`; then none is, until half of that is stored. */
export class ReadingBudget {
  private heldBytes = 0;
  private isSpent = false;
  /** Whoever received least recently is first, and so is the first to be read again. */
  private readonly bodies = new Set<PausableBody>();

  constructor(private readonly bytesMax = HELD_BYTES_MAX) {}

  /** Bytes of all bodies in memory now. */
  get held(): number {
    return this.heldBytes;
  }

  /** Whether no body may be read now; `resume` is called once it may. */
  get spent(): boolean {
    return this.isSpent;
  }

  enter(body: PausableBody): void {
    this.bodies.add(body);
    if (this.isSpent) body.pause();
  }

  leave(body: PausableBody): void {
    this.bodies.delete(body);
  }

  /** `body` has received `bytes` bytes more. */
  take(body: PausableBody, bytes: number): void {
    this.heldBytes += bytes;
    if (this.bodies.delete(body)) this.bodies.add(body);
    if (this.isSpent || this.heldBytes < this.bytesMax) return;
    this.isSpent = true;
    for (const each of this.bodies) each.pause();
  }

  /** `bytes` of what was taken are not held any more. */
  give(bytes: number): void {
    this.heldBytes -= bytes;
    assert(this.heldBytes >= 0, "bytes are given back once");
    if (!this.isSpent || this.heldBytes > this.bytesMax / 2) return;
    this.isSpent = false;
    for (const each of this.bodies) each.resume();
  }
}
