// What of a file is in memory already: it can be had at once, without a thread that might wait for the disk. Linux only;
// elsewhere nothing counts as cached.
import { dlopen, ptr } from "bun:ffi";

const LIBRARIES = ["libc.so.6", "libc.musl-x86_64.so.1", "libc.musl-aarch64.so.1", "libc.so"];
/** preadv2: fail rather than wait for the disk. */
const RWF_NOWAIT = 8;
/** Bytes between two looks into the page cache: what the kernel reads ahead at least. */
const PROBE_STEP = 128 << 10;

function load() {
  if (process.platform !== "linux") return undefined;
  for (const library of LIBRARIES) {
    try {
      const preadv2 = { args: ["i32", "ptr", "i32", "i64", "i32"], returns: "i64" } as const;
      return dlopen(library, { preadv2 }).symbols.preadv2;
    } catch {
      // Another C library: try the next name.
    }
  }
  return undefined;
}

let loaded: ReturnType<typeof load> | null;
const probe = Buffer.alloc(1);
/** One struct iovec: address and length. */
const vector = new BigUint64Array(2);

/**
 * Reads into `into` from `position` of the open file `descriptor` what is in memory; returns the count, 0 at the end of
 * the file, or -1 where it would have to wait for the disk (or cannot be told).
 */
export function readCached(descriptor: number, into: Uint8Array, position: number): number {
  if (loaded === undefined) loaded = load() ?? null;
  if (!loaded) return -1;
  vector[0] = BigInt(ptr(into));
  vector[1] = BigInt(into.length);
  return Number(loaded(descriptor, ptr(vector), 1, position, RWF_NOWAIT));
}

/** Whether [position, position + size) of the open file seems to be in memory, so that nobody waits for the disk. */
export function isCached(descriptor: number, position: number, size: number): boolean {
  for (let at = 0; at < size; at += PROBE_STEP) {
    if (readCached(descriptor, probe, position + at) !== 1) return false;
  }
  return readCached(descriptor, probe, position + size - 1) === 1;
}
