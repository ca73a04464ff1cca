// Who refers to some chunks, and to which of their bytes: found by a sweep over all parts and objects, a slice at a time,
// for several chunks in one. There is no index for it: it would cost every commit for what is seldom asked.
//
// The sweep is no snapshot. What changes behind it is found by the compare-and-set of moveExtents or by the next sweep:
// a reference that was missed keeps the old chunk alive.
import { extentEnd } from "../../chunkd/protocol/record.ts";
import type { SealedRow } from "../catalog/chunk-table.ts";
import { keyText } from "../catalog/names.ts";
import { unpackExtents } from "../catalog/packing.ts";
import type { Store } from "../store/store.ts";
import type { Pacer } from "./pacer.ts";

/** Rows read at once. */
const ROWS = 128;
/** References in memory, over all chunks of a sweep; the chunks with the least garbage are left out for it. */
const REFERENCES_MAX = 200_000;

/** An object or a part that refers to a chunk. */
export type Referrer = { bucket: number; key: string } | { uploadId: string; partNumber: number };

export interface LiveExtent {
  offset: number;
  length: number;
  checksum: number;
}

/** What is live in a chunk. */
export class LiveContent {
  readonly extents = new Map<number, LiveExtent>();
  readonly referrers: { referrer: Referrer; offsets: number[] }[] = [];
  /** Two references take the same bytes for different extents: not to be compacted. */
  conflicting = false;

  constructor(readonly row: SealedRow) {}

  add(referrer: Referrer, extents: readonly LiveExtent[]): void {
    for (const { offset, length, checksum } of extents) {
      const known = this.extents.get(offset);
      if (!known) this.extents.set(offset, { offset, length, checksum });
      else if (known.length !== length || known.checksum !== checksum) this.conflicting = true;
    }
    this.referrers.push({ referrer, offsets: extents.map(({ offset }) => offset) });
  }

  /** The extents in the order of the file; undefined when they overlap, or do not lie in the chunk. */
  ordered(): LiveExtent[] | undefined {
    const ordered = [...this.extents.values()].sort((a, b) => a.offset - b.offset);
    let end = 0;
    for (const extent of ordered) {
      if (extent.offset < end) return undefined;
      end = extentEnd(extent);
    }
    return this.conflicting || end > this.row.length ? undefined : ordered;
  }
}

/** Sweeps for `rows`, most garbage first; resolves with what is live in them, in that order, some perhaps left out. */
export async function sweepExtents(
  store: Store,
  pacer: Pacer,
  rows: readonly SealedRow[],
): Promise<LiveContent[]> {
  const sweep = new Sweep(rows);
  let part = { upload: "", number: 0 };
  while (!pacer.stopped) {
    const found = await store.read("all", ({ uploads }) => uploads.sweep(part.upload, part.number, ROWS));
    for (const { upload, number, extents } of found) {
      sweep.look(extents, () => ({ uploadId: upload, partNumber: number }));
    }
    if (found.length < ROWS) break;
    part = found.at(-1)!;
    if (pacer.sliceIsOver) await pacer.pause();
  }
  let object: { bucket: number; key: Uint8Array } = { bucket: 0, key: new Uint8Array(0) };
  while (!pacer.stopped) {
    const found = await store.read("all", ({ objects }) => objects.sweep(object.bucket, object.key, ROWS));
    for (const { bucket, key, extents } of found) sweep.look(extents, () => ({ bucket, key: keyText(key) }));
    if (found.length < ROWS) break;
    object = found.at(-1)!;
    if (pacer.sliceIsOver) await pacer.pause();
  }
  return [...sweep.contents.values()];
}

class Sweep {
  /** By handle. */
  readonly contents: Map<number, LiveContent>;
  private references = 0;

  constructor(rows: readonly SealedRow[]) {
    this.contents = new Map(rows.map((row) => [row.handle, new LiveContent(row)]));
  }

  look(packed: Uint8Array, referrer: () => Referrer): void {
    const extents = unpackExtents(packed);
    const handles = new Set(extents.map(({ handle }) => handle));
    for (const handle of handles) {
      const content = this.contents.get(handle);
      if (!content) continue;
      const mine = extents.filter((extent) => extent.handle === handle);
      content.add(referrer(), mine);
      this.references += mine.length;
      while (this.references > REFERENCES_MAX && this.contents.size > 1) this.leaveOneOut();
    }
  }

  private leaveOneOut(): void {
    const [handle, content] = [...this.contents].at(-1)!;
    for (const { offsets } of content.referrers) this.references -= offsets.length;
    this.contents.delete(handle);
  }
}
