// flock(2): a lock that the kernel drops with the process, whatever ended it, so that it is never stale.
import { dlopen } from "bun:ffi";

const LOCK_EXCLUSIVE = 2;
const LOCK_NON_BLOCKING = 4;
/** glibc, musl, macOS. */
const LIBRARIES = ["libc.so.6", "libc.so", "libSystem.B.dylib"];

type Flock = (descriptor: number, operation: number) => number;
let loaded: Flock | undefined;

function load(): Flock {
  for (const library of LIBRARIES) {
    try {
      return dlopen(library, { flock: { args: ["i32", "i32"], returns: "i32" } }).symbols.flock;
    } catch {
      // Another C library: try the next name.
    }
  }
  throw new Error("flock(2) was not found in this system's C library");
}

/** Whether the open file is now locked by this descriptor alone. Closing the descriptor gives it up. */
export function tryLock(descriptor: number): boolean {
  loaded ??= load();
  return loaded(descriptor, LOCK_EXCLUSIVE | LOCK_NON_BLOCKING) === 0;
}
