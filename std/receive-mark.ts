// SO_RCVLOWAT: how much has to be there before the kernel wakes this process to read a TCP stream. On one machine, and on a
// fast network, a sender otherwise wakes its receiver for every few KiB, and both pay for it. Linux with glibc or musl only.
import { dlopen, ptr } from "bun:ffi";

const LIBRARIES = ["libc.so.6", "libc.musl-x86_64.so.1", "libc.musl-aarch64.so.1", "libc.so"];
const SOL_SOCKET = 1;
const SO_RCVLOWAT = 18;

function load() {
  if (process.platform !== "linux") return undefined;
  const setsockopt = { args: ["i32", "i32", "i32", "ptr", "u32"], returns: "i32" } as const;
  for (const library of LIBRARIES) {
    try {
      return dlopen(library, { setsockopt }).symbols.setsockopt;
    } catch {
      // Another C library: try the next name.
    }
  }
  return undefined;
}

let loaded: ReturnType<typeof load> | null | undefined;
const value = new Int32Array(1);

/** Whether {@link setReceiveMark} can do anything here. */
export function canSetReceiveMark(): boolean {
  if (loaded === undefined) loaded = load() ?? null;
  return loaded !== null;
}

/**
 * The open socket `descriptor` counts as readable from `bytes` on, 1 at least; the end of the stream always does, and so
 * does a receive buffer that is as full as it gets. Where the kernel refuses, everything stays as it was.
 */
export function setReceiveMark(descriptor: number, bytes: number): void {
  if (!canSetReceiveMark()) return;
  value[0] = bytes;
  loaded!(descriptor, SOL_SOCKET, SO_RCVLOWAT, ptr(value), value.byteLength);
}
