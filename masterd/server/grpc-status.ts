import { Metadata, type ServerErrorResponse, status } from "@grpc/grpc-js";
import { ProtocolError, type ProtocolErrorCode, RemoteError } from "../../chunkd/protocol/errors.ts";
import { REMOVED } from "../../chunkd/protocol/messages.ts";
import type { MasterErrorCode } from "../protocol/messages.ts";

const STATUS: Partial<Record<string, status>> & Record<MasterErrorCode, status> = {
  NO_SUCH_BUCKET: status.NOT_FOUND,
  BUCKET_EXISTS: status.ALREADY_EXISTS,
  BUCKET_NOT_EMPTY: status.FAILED_PRECONDITION,
  INVALID_BUCKET_NAME: status.INVALID_ARGUMENT,
  NO_SUCH_KEY: status.NOT_FOUND,
  INVALID_KEY: status.INVALID_ARGUMENT,
  NO_SUCH_UPLOAD: status.NOT_FOUND,
  INVALID_PART: status.INVALID_ARGUMENT,
  INVALID_PART_ORDER: status.INVALID_ARGUMENT,
  PART_TOO_SMALL: status.INVALID_ARGUMENT,
  PRECONDITION_FAILED: status.FAILED_PRECONDITION,
  NOT_MODIFIED: status.FAILED_PRECONDITION,
  STALE_EXTENT: status.ABORTED,
  NOT_ENOUGH_SERVERS: status.UNAVAILABLE,
  LEASE_EXPIRED: status.FAILED_PRECONDITION,
  NO_SPACE: status.RESOURCE_EXHAUSTED,
  NO_SUCH_SERVER: status.NOT_FOUND,
  SERVER_STATE: status.FAILED_PRECONDITION,
  NOT_READY: status.UNAVAILABLE,
  BAD_REQUEST: status.INVALID_ARGUMENT,
  [REMOVED]: status.PERMISSION_DENIED,
};

const PROTOCOL_STATUS: Partial<Record<ProtocolErrorCode, status>> = {
  UNAUTHENTICATED: status.UNAUTHENTICATED,
  FORBIDDEN: status.PERMISSION_DENIED,
  OVERLOADED: status.RESOURCE_EXHAUSTED,
};

/** The gRPC form of an error: a status, and in the trailing metadata the stable `skerry-code` and its detail. */
export function grpcStatus(error: unknown): Partial<ServerErrorResponse> {
  const isOurs = error instanceof RemoteError || error instanceof ProtocolError;
  const code = isOurs ? error.code : "INTERNAL";
  const metadata = new Metadata();
  metadata.set("skerry-code", code);
  if (error instanceof RemoteError && error.detail !== undefined) {
    metadata.set("skerry-detail-bin", Buffer.from(JSON.stringify(error.detail)));
  }
  return {
    code: STATUS[code] ?? PROTOCOL_STATUS[code as ProtocolErrorCode] ?? status.INTERNAL,
    details: error instanceof Error ? error.message : String(error),
    metadata,
  };
}
