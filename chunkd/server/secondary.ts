// The primary's view of one secondary of one chunk.
import type { Clock } from "../../std/clock.ts";
import type { PackedMeta } from "../protocol/connection.ts";
import { ChunkOp, type Replica, type ReplicateResponse } from "../protocol/messages.ts";
import { CHUNK_HEADER_SIZE } from "../protocol/record.ts";
import type { PeerLink } from "./peer-links.ts";

interface Sent {
  end: number;
  at: number;
}

export interface SecondaryEvents {
  /** Its durable length grew. */
  onProgress(): void;
  /** It takes no further part. Called once. */
  onDropped(secondary: Secondary, why: Error): void;
}

export class Secondary {
  /** What it has answered to have on disk: a prefix of the primary's log, dropped or not. */
  durable = CHUNK_HEADER_SIZE;
  dropped = false;
  /** Sent and not answered, in order. */
  private readonly sent: Sent[] = [];
  private readonly unlisten: () => void;

  constructor(
    readonly replica: Replica,
    private readonly link: PeerLink,
    private readonly clock: Clock,
    private readonly events: SecondaryEvents,
  ) {
    this.unlisten = link.onClose((error) => this.drop(error));
  }

  /** Forwards the run that ends at `end` (`request`: a ReplicateRequest); resolves when it is answered or lost, so that its bytes are free. */
  async replicate(request: PackedMeta, run: readonly Uint8Array[], end: number): Promise<void> {
    this.sent.push({ end, at: this.clock.monotonic() });
    let answer: unknown;
    try {
      answer = (await this.link.call(ChunkOp.replicate, request, run)).meta;
    } catch (error) {
      this.drop(error as Error);
      return;
    }
    if ((answer as ReplicateResponse | undefined)?.length !== undefined) this.answered(end);
    else this.drop(new Error("the answer to replicate has no length"));
  }

  /** How far this one is behind `committed`: bytes, and ms since the oldest missing record was sent. */
  lag(committed: number): { bytes: number; ms: number } {
    const oldest = this.sent[0];
    if (this.dropped || this.durable >= committed || !oldest) return { bytes: 0, ms: 0 };
    return { bytes: committed - this.durable, ms: this.clock.monotonic() - oldest.at };
  }

  notify(opcode: number, meta: unknown): void {
    if (!this.dropped) this.link.notify(opcode, meta);
  }

  drop(why: Error): void {
    if (this.dropped) return;
    this.dropped = true;
    this.sent.length = 0;
    this.unlisten();
    this.events.onDropped(this, why);
  }

  /** Lets go of the link when the chunk takes no more appends. */
  retire(): void {
    this.dropped = true;
    this.unlisten();
  }

  private answered(end: number): void {
    while (this.sent.length > 0 && this.sent[0]!.end <= end) this.sent.shift();
    if (end <= this.durable) return;
    this.durable = end;
    this.events.onProgress();
  }
}
