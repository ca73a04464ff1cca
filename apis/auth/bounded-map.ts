import { assert } from "../../std/assert.ts";

/** A map of at most `sizeMax` entries: the one not used for longest makes room. */
export class BoundedMap<Key, Value> {
  // A Map iterates in insertion order, so its first entry is the least recently used one.
  private readonly entries = new Map<Key, Value>();

  constructor(private readonly sizeMax: number) {
    assert(sizeMax > 0, "a bounded map holds something");
  }

  get size(): number {
    return this.entries.size;
  }

  get(key: Key): Value | undefined {
    const value = this.entries.get(key);
    if (value === undefined) return undefined;
    this.entries.delete(key);
    this.entries.set(key, value);
    return value;
  }

  set(key: Key, value: Value): void {
    this.entries.delete(key);
    this.entries.set(key, value);
    if (this.entries.size <= this.sizeMax) return;
    const oldest = this.entries.keys().next();
    if (!oldest.done) this.entries.delete(oldest.value);
  }

  delete(key: Key): void {
    this.entries.delete(key);
  }
}
