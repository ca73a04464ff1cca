// Bounds the bytes of chunks that this process holds for its readers, from before they are read off the disk until the
// reader's socket has them. Readers wait for it, none fails; one that stands still gives it back when it is dropped
// (chunkd/protocol/peer-watch.ts).
import type { Connection, Reply } from "../protocol/connection.ts";
import { ProtocolError } from "../protocol/errors.ts";

/** Over all peers. */
export const ANSWER_BYTES_MAX = 64 << 20;

interface Waiting {
  size: number;
  go(): void;
  fail(error: Error): void;
}

interface PeerShare {
  held: number;
  waiting: Waiting[];
}

type Ending = Pick<Connection, "onClose">;

export class AnswerBudget {
  /** In the order of their last turn. */
  private readonly peers = new Map<Ending, PeerShare>();
  private held = 0;
  private waiting = 0;

  constructor(private readonly max = ANSWER_BYTES_MAX) {}

  /** Bytes of answers under way. */
  get bytes(): number {
    return this.held;
  }

  /**
   * Runs `task`, whose answer to `peer` is of at most `size` bytes (up to the budget's maximum), when there is room for
   * it. Rejects with `DISCONNECTED` when the peer is gone by then.
   */
  async run(peer: Ending, size: number, task: () => Reply | Promise<Reply>): Promise<Reply> {
    const share = this.shareOf(peer);
    if (share.waiting.length === 0 && this.fits(share, size)) this.take(share, size);
    else await this.wait(share, size);
    try {
      const reply = await task();
      return { ...reply, taken: () => this.release(share, size) };
    } catch (error) {
      this.release(share, size);
      throw error;
    }
  }

  /**
   * A peer may have as much as is left for all others, so that however many take nothing of what they asked for, there
   * is some for one that comes new: half of all for the first, half of the rest for the next.
   */
  private fits({ held }: PeerShare, size: number): boolean {
    const free = this.max - this.held;
    return held === 0 ? size <= free : held + size <= free;
  }

  private shareOf(peer: Ending): PeerShare {
    const known = this.peers.get(peer);
    if (known) return known;
    const share: PeerShare = { held: 0, waiting: [] };
    this.peers.set(peer, share);
    peer.onClose((error) => {
      this.peers.delete(peer);
      this.waiting -= share.waiting.length;
      const gone = new ProtocolError("DISCONNECTED", "the reader is gone", { cause: error });
      for (const { fail } of share.waiting.splice(0)) fail(gone);
    });
    return share;
  }

  private take(share: PeerShare, size: number): void {
    share.held += size;
    this.held += size;
  }

  private wait(share: PeerShare, size: number): Promise<void> {
    this.waiting++;
    return new Promise((go, fail) => share.waiting.push({ size, go, fail }));
  }

  private release(share: PeerShare, size: number): void {
    share.held -= size;
    this.held -= size;
    while (this.waiting > 0 && this.admitNext());
  }

  /** Lets in the first that fits of the peer that has the least; of equals, the one whose turn was longest ago. */
  private admitNext(): boolean {
    let next: [Ending, PeerShare] | undefined;
    for (const entry of this.peers) {
      const [, share] = entry;
      const first = share.waiting[0];
      if (first && this.fits(share, first.size) && !(next && next[1].held <= share.held)) next = entry;
    }
    if (!next) return false;
    const [peer, share] = next;
    const { size, go } = share.waiting.shift()!;
    this.waiting--;
    this.peers.delete(peer);
    this.peers.set(peer, share);
    this.take(share, size);
    go();
    return true;
  }
}
