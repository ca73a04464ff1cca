import { RECORD_PAYLOAD_MAX } from "../protocol/record.ts";
import type { LeaseBook } from "./lease-book.ts";
import type { OpenChunk } from "./open-chunk.ts";
import type { ConnectionPool } from "./pool.ts";

/** Fresh chunks kept ready while there is demand, so that going on in the next one waits for nobody. */
const READY_CHUNKS = 2;
/** The master is asked for no more than this many at a time. */
const OPEN_COUNT_MAX = 32;

/** Fresh open chunks, asked of the master ahead of need. */
export class ChunkStock {
  private ready: OpenChunk[] = [];
  private waiting = 0;
  private refilling: Promise<boolean> | undefined;

  constructor(
    private readonly book: LeaseBook,
    private readonly pool: ConnectionPool,
  ) {}

  /**
   * A chunk that nobody has written to, the caller's alone. Its primary is one that answers, as far as is known, and
   * none of `taken` (addresses), where there is a choice. Rejects with the master's error.
   */
  async take(taken: readonly string[] = []): Promise<OpenChunk> {
    this.waiting++;
    try {
      for (let hasChoice = true; ; hasChoice = await this.refill()) {
        const chunk = this.pick(taken, hasChoice);
        if (chunk) return chunk;
      }
    } finally {
      this.waiting--;
    }
  }

  /** Those kept ready go back: whoever is next in need asks the master. */
  clear(): void {
    for (const chunk of this.ready.splice(0)) chunk.retire();
  }

  /** Takes a suspect primary only when the master, just asked, offered no other: it may well be back. */
  private pick(taken: readonly string[], hasChoice: boolean): OpenChunk | undefined {
    this.ready = this.ready.filter((chunk) => chunk.takes(RECORD_PAYLOAD_MAX));
    const answering = this.ready.filter((chunk) => this.answers(chunk));
    const choice = answering.length > 0 || hasChoice ? answering : this.ready;
    const chunk = choice.find(({ primary }) => !taken.includes(primary.address)) ?? choice[0];
    if (!chunk) {
      for (const suspect of this.ready.splice(0)) suspect.retire();
      return undefined;
    }
    this.ready.splice(this.ready.indexOf(chunk), 1);
    // Ahead of the next need; if it fails, whoever is next in need asks again and hears of it.
    if (this.ready.length < READY_CHUNKS) void this.refill().catch(() => {});
    return chunk;
  }

  private answers(chunk: OpenChunk): boolean {
    return !this.pool.isSuspect(chunk.primary.address);
  }

  /** Asks the master; answers whether it offered a chunk whose primary is not suspect. */
  private refill(): Promise<boolean> {
    this.refilling ??= this.open().finally(() => {
      this.refilling = undefined;
    });
    return this.refilling;
  }

  private async open(): Promise<boolean> {
    const fresh = await this.book.open(Math.min(OPEN_COUNT_MAX, this.waiting + READY_CHUNKS));
    this.ready.push(...fresh);
    return fresh.some((chunk) => this.answers(chunk));
  }
}
