/** Chunks that something can be done for now, those with the fewest sound replicas first. */
export class RepairQueue {
  /** By the number of sound replicas. */
  private readonly byNeed = [0, 1, 2, 3].map(() => new Set<number>());

  get size(): number {
    return this.byNeed.reduce((sum, handles) => sum + handles.size, 0);
  }

  /** Of those, the ones that have fewer than three sound replicas. */
  get urgent(): number {
    return this.size - this.byNeed[3]!.size;
  }

  put(handle: number, sound: number): void {
    const place = this.byNeed[Math.min(sound, this.byNeed.length - 1)]!;
    if (place.has(handle)) return;
    this.delete(handle);
    place.add(handle);
  }

  delete(handle: number): void {
    for (const handles of this.byNeed) handles.delete(handle);
  }

  /** The most urgent first, at most `max` of them. */
  *first(max: number): Iterable<number> {
    let left = max;
    for (const handles of this.byNeed) {
      for (const handle of [...handles.values().take(left)]) {
        left--;
        yield handle;
      }
    }
  }
}
