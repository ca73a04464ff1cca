// One file: what the page cache has, what the medium has, and what lies between them since the last sync.
import { Content } from "./content.ts";
import type { SeededRandom } from "./seeded-random.ts";

export const SECTOR_SIZE = 512;

/** A write or a truncation that no sync has covered. */
interface Change {
  /** Undefined: a truncation to `sizeAfter`. */
  bytes: Uint8Array | undefined;
  position: number;
  sizeAfter: number;
}

/** Chance that space which was given to the file, but never written, shows what some other file left there. */
const STALE_CHANCE = 0.2;

export class SimFile {
  /** Sectors that cannot be read until they are written again, by index. */
  readonly unreadable = new Set<number>();
  private cache = new Content();
  private medium = new Content();
  private changes: Change[] = [];
  /** Changes that are no longer in `changes`: on the medium, or lost. */
  private settled = 0;
  /** All bytes, as they were when somebody last asked and nothing had changed since. */
  private whole: Buffer | undefined;
  /** The cache has what no sync will ever bring to the medium. */
  private diverged = false;

  get size(): number {
    return this.cache.size;
  }

  /** Counts the changes so far: what a sync that begins now covers. */
  get mark(): number {
    return this.settled + this.changes.length;
  }

  read(into: Uint8Array, position: number): number {
    return this.cache.read(into, position);
  }

  /** All of it; not to be changed by the caller. */
  bytes(): Buffer {
    if (this.whole) return this.whole;
    const bytes = Buffer.alloc(this.cache.size);
    this.cache.read(bytes, 0);
    this.whole = bytes;
    return bytes;
  }

  hasUnreadable(position: number, length: number): boolean {
    if (this.unreadable.size === 0) return false;
    for (const sector of this.unreadable) {
      if (sector * SECTOR_SIZE < position + length && (sector + 1) * SECTOR_SIZE > position) return true;
    }
    return false;
  }

  /** `bytes` belong to the file from now on. */
  write(bytes: Uint8Array, position: number): void {
    if (bytes.length === 0) return;
    this.whole = undefined;
    this.cache.write(bytes, position);
    this.changes.push({ bytes, position, sizeAfter: this.cache.size });
    for (const sector of this.unreadable) {
      const at = sector * SECTOR_SIZE;
      if (at >= position && at < position + bytes.length) this.unreadable.delete(sector);
    }
  }

  truncate(size: number): void {
    this.whole = undefined;
    this.cache.truncate(size);
    this.changes.push({ bytes: undefined, position: 0, sizeAfter: size });
  }

  /** The changes up to `mark` are on the medium from now on. */
  synced(mark: number): void {
    const count = mark - this.settled;
    if (count <= 0) return;
    if (count === this.changes.length && !this.diverged) this.cache.copyTo(this.medium);
    else for (const change of this.changes.slice(0, count)) apply(this.medium, change);
    this.changes.splice(0, count);
    this.settled += count;
  }

  /**
   * A sync failed: the kernel takes the dirty pages for clean, so that no later sync writes them. With `evict` it also
   * forgets them, and what is read is old.
   */
  syncFailed(evict: boolean): void {
    this.forget();
    this.diverged = !evict;
    if (!evict) return;
    this.whole = undefined;
    this.cache = this.medium.clone();
  }

  private forget(): Change[] {
    const { changes } = this;
    this.settled += changes.length;
    this.changes = [];
    return changes;
  }

  /** Changes the bytes at rest, past the page cache's knowledge: what rots, and what a disk writes to the wrong place. */
  corrupt(change: (content: Content) => void): void {
    this.whole = undefined;
    change(this.cache);
    change(this.medium);
  }

  /** Each sector of what was not synced is there or is not, whatever was written before or after it. */
  powerLoss(random: SeededRandom): void {
    const changes = this.forget();
    this.whole = undefined;
    this.diverged = false;
    if (changes.length > 0 && !random.chance(0.25)) {
      if (random.chance(0.25)) for (const change of changes) apply(this.medium, change);
      else this.tear(changes, random);
    }
    this.cache = this.medium.clone();
  }

  private tear(changes: readonly Change[], random: SeededRandom): void {
    const { medium } = this;
    const before = medium.size;
    const kept = random.int(0, changes.length);
    const size = kept === 0 ? before : changes[kept - 1]!.sizeAfter;
    for (const { bytes, sizeAfter } of changes.slice(0, kept)) if (!bytes) medium.truncate(sizeAfter);
    medium.truncate(size);
    if (size > before && random.chance(STALE_CHANCE))
      medium.write(random.bytes(Math.min(size - before, 4096)), before);
    for (const { bytes, position } of changes) {
      if (!bytes) continue;
      for (const piece of keptPieces(bytes, position, random)) {
        const visible = piece.bytes.subarray(0, Math.max(0, size - piece.position));
        if (visible.length > 0) medium.write(visible, piece.position);
      }
    }
  }
}

function apply(content: Content, { bytes, position, sizeAfter }: Change): void {
  if (bytes) content.write(bytes, position);
  else content.truncate(sizeAfter);
}

/** The whole write, nothing of it, or runs of sectors. */
function keptPieces(
  bytes: Uint8Array,
  position: number,
  random: SeededRandom,
): { bytes: Uint8Array; position: number }[] {
  const fate = random.int(0, 2);
  if (fate === 0) return [];
  if (fate === 1) return [{ bytes, position }];
  const pieces: { bytes: Uint8Array; position: number }[] = [];
  const end = position + bytes.length;
  const sectors = Math.ceil(bytes.length / SECTOR_SIZE) + 1;
  for (let at = position; at < end; ) {
    const run = random.int(1, Math.max(1, Math.ceil(sectors / 4)));
    const next = Math.min(end, (Math.floor(at / SECTOR_SIZE) + run) * SECTOR_SIZE);
    if (random.chance(0.5))
      pieces.push({ bytes: bytes.subarray(at - position, next - position), position: at });
    at = next;
  }
  return pieces;
}
