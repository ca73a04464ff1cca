import type { CommandOf, MovedExtent } from "../catalog/commands.ts";
import type { LiveContent } from "./extent-sweep.ts";

/** Objects and parts that one command moves: few enough for other commands of its batch to hardly notice. */
const REFERRERS_MAX = 256;

type Batch = Pick<CommandOf<"moveExtents">, "extents" | "objects" | "parts">;

/** What refers to the old chunk, in commands' worth, each with the extents that it needs. */
export function* moveBatches(
  { referrers }: Pick<LiveContent, "referrers">,
  moved: readonly MovedExtent[],
): Iterable<Batch> {
  const byOffset = new Map(moved.map((extent) => [extent.offset, extent]));
  for (let from = 0; from < referrers.length; from += REFERRERS_MAX) {
    const batch: Batch = { extents: [], objects: [], parts: [] };
    const offsets = new Set<number>();
    for (const { referrer, offsets: needed } of referrers.slice(from, from + REFERRERS_MAX)) {
      if ("key" in referrer) batch.objects.push(referrer);
      else batch.parts.push(referrer);
      for (const offset of needed) offsets.add(offset);
    }
    for (const offset of offsets) batch.extents.push(byOffset.get(offset)!);
    yield batch;
  }
}
