/** Every code that this wire's own layer can answer; each service adds its own codes to {@link RemoteError}. */
export type ProtocolErrorCode =
  | "BAD_FRAME" // bytes that are no frame: the connection is dropped
  | "BAD_VERSION" // a peer of another format version
  | "TOO_LARGE" // a frame over the receiver's limits
  | "UNAUTHENTICATED" // the handshake failed: wrong secret, wrong cluster, or no handshake
  | "FORBIDDEN" // this peer's role may not call this operation
  | "UNKNOWN_OPERATION"
  | "BAD_REQUEST" // meta that is not of the operation's shape
  | "OVERLOADED" // too many calls in flight on one connection
  | "TIMEOUT" // no answer in time: the call may or may not have been done
  | "DISCONNECTED" // the connection ended before the answer: the call may or may not have been done
  | "INTERNAL";

/** This wire's own failure, on either side. */
export class ProtocolError extends Error {
  override name = "ProtocolError";
  constructor(
    readonly code: ProtocolErrorCode,
    message: string,
    options?: ErrorOptions,
  ) {
    super(message, options);
  }
}

/** An error that the peer answered, or that a handler throws to have answered. `code` is stable; `detail` is msgpack-able. */
export class RemoteError<Code extends string = string> extends Error {
  override name = "RemoteError";
  constructor(
    readonly code: Code,
    message: string,
    readonly detail?: unknown,
  ) {
    super(message);
  }
}
