import type { Random } from "../std/random.ts";

/** Makes ids for `x-amz-request-id` and `x-request-id`: 16 upper-case hex digits, 8 of this process and 8 that count. */
export function requestIds(random: Random): () => string {
  const process = random.bytes(4).toString("hex").toUpperCase();
  let count = 0;
  return () => {
    count = (count + 1) >>> 0;
    return process + count.toString(16).toUpperCase().padStart(8, "0");
  };
}
