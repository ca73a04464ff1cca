// sendfile(2): from the page cache into a socket, without a copy through this process. Linux with glibc or musl only;
// elsewhere, and wherever the bytes would first have to come from the disk, the caller reads and writes.
import { dlopen, ptr } from "bun:ffi";

const LIBRARIES = ["libc.so.6", "libc.musl-x86_64.so.1", "libc.musl-aarch64.so.1", "libc.so"];

function load() {
  if (process.platform !== "linux") return undefined;
  for (const library of LIBRARIES) {
    try {
      return dlopen(library, {
        sendfile: { args: ["i32", "i32", "ptr", "u64"], returns: "i64" },
      }).symbols;
    } catch {
      // Another C library: try the next name.
    }
  }
  return undefined;
}

type Library = NonNullable<ReturnType<typeof load>>;
let library: Library | null | undefined;

function loaded(): Library | undefined {
  library ??= load() ?? null;
  return library ?? undefined;
}

const offset = new BigInt64Array(1);

/** Whether bytes of files can leave this way here at all. */
export function canSendFile(): boolean {
  return loaded() !== undefined;
}

/**
 * Sends up to `size` bytes at `position` of the open file `file` into the open socket `socket`; returns how many the kernel
 * took, 0 at the file's end. -1 when it took none: the socket is full, or it cannot be done. Which of them it is shows when
 * the caller reads and writes instead; errno cannot be trusted once the call has come back into JavaScript.
 */
export function sendFile(socket: number, file: number, position: number, size: number): number {
  offset[0] = BigInt(position);
  return Number(loaded()?.sendfile(socket, file, ptr(offset), size) ?? -1);
}
