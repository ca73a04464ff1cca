// The bytes of a remote chunk file in order, asked for ahead of the one who takes them: that covers the way there and back.
import { FILE_PIECE_SIZE } from "../store/chunk-reader.ts";

/** Pieces of 1 MiB asked for ahead. */
const PIECES_AHEAD = 4;

/** Answers at most {@link FILE_PIECE_SIZE} bytes at `position`. */
export type AskPiece = (position: number, bytes: number) => Promise<Buffer>;

export class ReadAhead {
  private readonly asked: Promise<Buffer>[] = [];

  /** Reads [`next`, `end`). */
  constructor(
    private readonly ask: AskPiece,
    private next: number,
    private readonly end: number,
  ) {}

  /** The next piece; rejects as `ask` does. */
  take(): Promise<Buffer> {
    while (this.next < this.end && this.asked.length < PIECES_AHEAD) {
      const piece = this.ask(this.next, Math.min(FILE_PIECE_SIZE, this.end - this.next));
      // It may fail while an earlier one is being written: it is awaited in its turn, or never when that one was bad.
      piece.catch(() => {});
      this.asked.push(piece);
      this.next += FILE_PIECE_SIZE;
    }
    return this.asked.shift()!;
  }
}
