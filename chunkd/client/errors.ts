/** What a caller of the chunk client has to tell apart. */
export type StorageErrorCode =
  | "UNAVAILABLE" // too few chunkservers, or no master, answered in time: the same request may succeed later
  | "NO_SPACE" // the disks are full: nothing is written until space is freed or a chunkserver is added
  | "CORRUPT"; // every replica that is left gives bytes that fail their checksums

const RETRY_AFTER_MS: Record<StorageErrorCode, number> = {
  UNAVAILABLE: 1_000,
  NO_SPACE: 30_000,
  CORRUPT: 60_000,
};

/** The chunk store could not do what was asked. The message names the last cause and what to look at. */
export class StorageError extends Error {
  override name = "StorageError";
  /** How long a caller should wait before it asks again, ms. */
  readonly retryAfterMs: number;

  constructor(
    readonly code: StorageErrorCode,
    message: string,
    options?: ErrorOptions,
  ) {
    super(message, options);
    this.retryAfterMs = RETRY_AFTER_MS[code];
  }
}

/** The stable code of what a call rejected with (a RemoteError, a ProtocolError, or Node's ECONNREFUSED and the like). */
export function codeOf(error: unknown): string {
  const code = (error as { code?: unknown } | null)?.code;
  return typeof code === "string" ? code : "INTERNAL";
}

/** One line for a log or for the end of an error message. */
export function describe(error: unknown): string {
  return `${codeOf(error)}: ${error instanceof Error ? error.message : String(error)}`;
}
