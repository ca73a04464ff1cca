import type { SeededRandom } from "../world/seeded-random.ts";

// Borders of the production code, not taken from it: it is loaded later, perhaps broken on purpose.
const RECORD_PAYLOAD_MAX = 1 << 20;
const PACK_SIZE_MAX = 8 << 20;
const KIB = 1 << 10;
const BLOCK = 64 * KIB;

/** Bytes that one run may put into chunks, so that a seed takes about a second. */
export const BYTES_PER_RUN = 24 << 20;
/** A run that fills whole chunks. */
export const BYTES_PER_LARGE_RUN = 320 << 20;

export interface SizeMix {
  /** Chances of what is larger than a few KiB. */
  block: number;
  record: number;
  records: number;
  exclusive: number;
  wholeChunk: number;
}

/** Each run has its own mix, so that some are all small objects and some nearly all large. */
export function drawMix(random: SeededRandom): SizeMix {
  const rarely = (p: number): number => (random.chance(0.5) ? random.between(0, p) : 0);
  return {
    block: rarely(0.3),
    record: rarely(0.2),
    records: rarely(0.08),
    exclusive: rarely(0.03),
    wholeChunk: random.chance(0.015) ? 0.01 : 0,
  };
}

/** Bytes of the next object. */
export function drawSize(random: SeededRandom, mix: SizeMix): number {
  const around = (border: number): number => Math.max(0, border + random.int(-1, 1));
  if (random.chance(mix.wholeChunk)) return 60 * RECORD_PAYLOAD_MAX + random.int(0, 8 * RECORD_PAYLOAD_MAX);
  if (random.chance(mix.exclusive)) return PACK_SIZE_MAX + random.int(0, 2 * RECORD_PAYLOAD_MAX);
  if (random.chance(mix.records))
    return around(RECORD_PAYLOAD_MAX * random.int(1, 4)) + random.pick([0, random.int(0, BLOCK)]);
  if (random.chance(mix.record)) return around(random.pick([RECORD_PAYLOAD_MAX, RECORD_PAYLOAD_MAX - BLOCK]));
  if (random.chance(mix.block))
    return around(random.pick([BLOCK, 2 * BLOCK, 3 * BLOCK])) + random.int(0, 100);
  return random.pick([
    0,
    1,
    2,
    random.int(3, 200),
    random.int(200, 4 * KIB),
    4 * KIB,
    random.int(4 * KIB, 16 * KIB),
  ]);
}
