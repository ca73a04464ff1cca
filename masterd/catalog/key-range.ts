// Ranges of keys as bytes. No byte of UTF-8 is above 0xf4, so adding one to the last byte never overflows.
import { assert } from "../../std/assert.ts";

/** Behind every key. */
export const KEY_RANGE_END = Buffer.from([0xff]);

/** The first byte string behind everything that begins with `prefix`. */
export function behindPrefix(prefix: Buffer): Buffer {
  if (prefix.length === 0) return KEY_RANGE_END;
  const end = Buffer.from(prefix);
  assert(end[end.length - 1]! < 0xff, "UTF-8 has no byte 0xff");
  end[end.length - 1]! += 1;
  return end;
}

/** The first byte string behind `key` itself. */
export function behindKey(key: Buffer): Buffer {
  return Buffer.concat([key, Buffer.of(0)]);
}
