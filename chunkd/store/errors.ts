import type { ProtocolErrorCode } from "../protocol/errors.ts";
import { RemoteError } from "../protocol/errors.ts";
import type { ChunkErrorCode } from "../protocol/messages.ts";

/** What a chunkserver answers when it does not do what it was asked. */
export class ChunkError extends RemoteError<ChunkErrorCode | ProtocolErrorCode> {
  override name = "ChunkError";
}

/** A data directory that this chunkserver must not use; the message says why and what to do. */
export class DirectoryError extends Error {
  override name = "DirectoryError";
}

/** Node's code of a failed file operation, e.g. `ENOENT`. */
export function systemCode(error: unknown): string | undefined {
  const code = (error as { code?: unknown } | null)?.code;
  return typeof code === "string" ? code : undefined;
}
