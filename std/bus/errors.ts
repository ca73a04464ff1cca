export type BusErrorCode =
  | "bad_subject" // a subject, token, pattern or consumer name outside the grammar or its limits
  | "bad_data" // not JSON, or too large
  | "outbox_full" // the carrier has been away for very long
  | "fenced" // another process works this consumer by now
  | "dead_letters_full" // the consumer holds as many as are kept
  | "not_found" // no such dead letter
  | "closed"; // the bus was closed

export class BusError extends Error {
  override name = "BusError";
  constructor(
    readonly code: BusErrorCode,
    message: string,
    options?: ErrorOptions,
  ) {
    super(message, options);
  }
}

/** Whether `error` is a {@link BusError} of that code. */
export function isBusError(error: unknown, code: BusErrorCode): boolean {
  return error instanceof BusError && error.code === code;
}
