// What a chunkserver tells its peers for the case that they run on the same machine. It is only a hint: whoever follows it
// checks what it finds, and goes on over the connection that it has.
import type { Address } from "../../std/net.ts";

const TEXT_LENGTH_MAX = 4096;

export interface LocalAccess {
  /** The machine, as `thisHost` tells it. */
  host: string;
  /** Absolute path of the directory with the chunk files. */
  chunks?: string;
  /** The same service on a unix socket. */
  socket?: Address;
}

/** The hint in the answer to a handshake, if there is one. */
export function localAccess(meta: unknown): LocalAccess | undefined {
  const { host, chunks, socket } = ((meta as { local?: unknown } | null)?.local ?? {}) as Record<
    string,
    unknown
  >;
  if (!isText(host)) return undefined;
  return {
    host,
    chunks: isText(chunks) && chunks.startsWith("/") ? chunks : undefined,
    socket: isText(socket) && socket.startsWith("unix:/") ? socket : undefined,
  };
}

function isText(value: unknown): value is string {
  return typeof value === "string" && value.length > 0 && value.length <= TEXT_LENGTH_MAX;
}

/** The name of a chunk's file in its directory (chunkd/FORMAT.md, "Names"). */
export function chunkFileName(handle: number): string {
  return `${handle.toString(16).padStart(16, "0")}.chunk`;
}
