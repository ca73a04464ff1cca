// A look at every sealed chunk: how much of it is live, and which are worth a compaction.
import type { SealedRow } from "../catalog/chunk-table.ts";
import type { Store } from "../store/store.ts";
import type { Pacer } from "./pacer.ts";

/** Rows read at once. */
const ROWS = 512;

export interface GarbageTotals {
  /** Lengths of sealed chunks, what objects refer to in them, and the rest. */
  storedBytes: number;
  liveBytes: number;
  deadBytes: number;
}

/** What no object refers to in the chunk; heads of live records among it. */
export function deadBytes({ length, live }: Pick<SealedRow, "length" | "live">): number {
  return Math.max(0, length - live);
}

/**
 * Goes over all sealed chunks, a slice at a time; resolves with the totals, and at most `candidatesMax` of the chunks
 * that `isCandidate` takes: those with the most garbage, the most first.
 */
export async function scanGarbage(
  store: Store,
  pacer: Pacer,
  isCandidate: (row: SealedRow) => boolean,
  candidatesMax: number,
): Promise<{ totals: GarbageTotals; candidates: SealedRow[] }> {
  const totals: GarbageTotals = { storedBytes: 0, liveBytes: 0, deadBytes: 0 };
  let candidates: SealedRow[] = [];
  let after = 0;
  while (!pacer.stopped) {
    const rows = await store.read("all", ({ chunks }) => chunks.sealed(after, ROWS));
    for (const row of rows) {
      const dead = deadBytes(row);
      totals.storedBytes += row.length;
      totals.deadBytes += dead;
      totals.liveBytes += row.length - dead;
      if (row.live > 0 && isCandidate(row)) candidates.push(row);
    }
    if (candidates.length > 2 * candidatesMax) candidates = mostGarbage(candidates, candidatesMax);
    if (rows.length < ROWS) break;
    after = rows.at(-1)!.handle;
    if (pacer.sliceIsOver) await pacer.pause();
  }
  return { totals, candidates: mostGarbage(candidates, candidatesMax) };
}

function mostGarbage(rows: readonly SealedRow[], max: number): SealedRow[] {
  return rows.toSorted((a, b) => deadBytes(b) - deadBytes(a) || a.handle - b.handle).slice(0, max);
}
