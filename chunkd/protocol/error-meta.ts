// Errors as they travel in the meta of an error frame.
import { ProtocolError, RemoteError } from "./errors.ts";

/** What a call is told of the end of its connection, whatever ended it. */
export function disconnected(cause: Error): ProtocolError {
  return new ProtocolError("DISCONNECTED", cause.message, { cause });
}

export function errorMeta(error: unknown): { code: string; message: string; detail?: unknown } {
  if (error instanceof RemoteError) return { code: error.code, message: error.message, detail: error.detail };
  if (error instanceof ProtocolError) return { code: error.code, message: error.message };
  return { code: "INTERNAL", message: error instanceof Error ? error.message : String(error) };
}

export function remoteError(meta: unknown): RemoteError {
  const { code, message, detail } = (meta ?? {}) as { code?: unknown; message?: unknown; detail?: unknown };
  return new RemoteError(String(code ?? "INTERNAL"), String(message ?? "unknown error"), detail);
}
