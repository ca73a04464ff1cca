interface Untaken {
  /** Bytes that were sent on the connection up to and with this answer. */
  end: number;
  taken(): void;
}

/** Answers that a connection was given and its peer has not taken yet, in order. */
export class UntakenAnswers {
  private queue: Untaken[] = [];

  add(end: number, taken: () => void): void {
    this.queue.push({ end, taken });
  }

  /** The peer's system has taken `bytes` since the connection began. */
  settle(bytes: number): void {
    let count = 0;
    while (count < this.queue.length && this.queue[count]!.end <= bytes) count++;
    if (count > 0) for (const { taken } of this.queue.splice(0, count)) taken();
  }

  /** The connection is over: nobody will take the rest. */
  drop(): void {
    for (const { taken } of this.queue.splice(0)) taken();
  }
}
