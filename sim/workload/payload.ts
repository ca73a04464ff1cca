import type { Payload } from "../../apis/storage/objects.ts";
import { type Clock, delay } from "../../std/clock.ts";
import { contentOf, type Piece, sizeOf } from "../check/content.ts";
import type { SeededRandom } from "../world/seeded-random.ts";
import { ClientGone } from "./answers.ts";

export interface Sender {
  clock: Clock;
  random: SeededRandom;
  /** Chance that the sender stops for a while between two pieces. */
  slow: number;
  /** Chance that it goes away in the middle. */
  leave: number;
}

const PIECES_MAX = 12;

/** Content on its way in, with the digest that the API would work out while it passes. */
export function payloadOf(content: readonly Piece[], md5Hex: string, sender: Sender): Payload {
  const size = sizeOf(content);
  const { random } = sender;
  const length = random.chance(0.9) ? size : undefined;
  const leavesAt = size > 0 && random.chance(sender.leave) ? random.int(0, size - 1) : undefined;
  return {
    stream: send(contentOf(content), leavesAt, sender),
    length,
    result: () => ({ md5Hex, checksums: {} }),
  };
}

async function* send(
  bytes: Buffer,
  leavesAt: number | undefined,
  { clock, random, slow }: Sender,
): AsyncGenerator<Uint8Array> {
  const most = Math.max(1, Math.ceil(bytes.length / random.int(1, PIECES_MAX)));
  for (let at = 0; at < bytes.length; ) {
    if (leavesAt !== undefined && at >= leavesAt) throw new ClientGone("the sender went away");
    if (random.chance(slow)) await delay(clock, random.exponential(400));
    const size = Math.min(most, (leavesAt ?? bytes.length) - at, bytes.length - at);
    yield bytes.subarray(at, at + size);
    at += size;
  }
}
