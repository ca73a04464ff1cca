import { createCipheriv, createHash } from "node:crypto";

/** Bodies are cut from one buffer; those over its size repeat it. */
const SHARED_SIZE_MAX = 64 << 20;
/** The beginning of every body: which object it is, so that no two are equal. */
const STAMP_SIZE = 32;
const SEED = Buffer.from("skerry-bench-16b");

/**
 * Object bodies that cost nothing to make: bytes that do not compress, the same in every run, shared by all; each body
 * has a stamp of its own in front.
 */
export class ObjectBodies {
  private readonly shared: Buffer;

  /** `sizeMax`: the largest body that will be asked for, bytes. */
  constructor(sizeMax: number) {
    const zeros = Buffer.alloc(Math.min(Math.max(sizeMax, STAMP_SIZE), SHARED_SIZE_MAX));
    this.shared = createCipheriv("aes-128-ctr", SEED, SEED).update(zeros);
  }

  /** The body of `size` bytes that is named `stamp`, in parts that must not be changed. */
  of(size: number, stamp: string): Uint8Array[] {
    const head = Buffer.alloc(Math.min(size, STAMP_SIZE), ".");
    head.write(stamp, "latin1");
    const parts: Uint8Array[] = [head];
    for (let left = size - head.length; left > 0; left -= this.shared.length) {
      parts.push(left < this.shared.length ? this.shared.subarray(0, left) : this.shared);
    }
    return parts;
  }
}

/** MD5 of a body in parts, hex. */
export function digestOf(parts: readonly Uint8Array[]): string {
  const hash = createHash("md5");
  for (const part of parts) hash.update(part);
  return hash.digest("hex");
}
