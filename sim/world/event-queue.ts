/** Something that happens at a moment of virtual time. */
export interface Event {
  /** Virtual ms. */
  readonly time: number;
  /** Orders events of one moment; drawn from the seed. */
  readonly tie: number;
  readonly sequence: number;
  run(): void;
  cancelled: boolean;
}

function isBefore(a: Event, b: Event): boolean {
  if (a.time !== b.time) return a.time < b.time;
  if (a.tie !== b.tie) return a.tie < b.tie;
  return a.sequence < b.sequence;
}

/** A binary heap of events, earliest first. Cancelled ones are dropped when their turn comes. */
export class EventQueue {
  private readonly heap: Event[] = [];

  get size(): number {
    return this.heap.length;
  }

  push(event: Event): void {
    const { heap } = this;
    let at = heap.length;
    heap.push(event);
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (!isBefore(event, heap[parent]!)) break;
      heap[at] = heap[parent]!;
      at = parent;
    }
    heap[at] = event;
  }

  /** The earliest event that is not cancelled, left in the queue. */
  peek(): Event | undefined {
    while (this.heap[0]?.cancelled) this.removeFirst();
    return this.heap[0];
  }

  pop(): Event | undefined {
    const first = this.peek();
    if (first) this.removeFirst();
    return first;
  }

  private removeFirst(): void {
    const { heap } = this;
    const last = heap.pop()!;
    if (heap.length === 0) return;
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && isBefore(heap[child + 1]!, heap[child]!)) child++;
      if (!isBefore(heap[child]!, last)) break;
      heap[at] = heap[child]!;
      at = child;
    }
    heap[at] = last;
  }
}
