// Every error that an operation may end with, as S3 says it: the one table from the engine's codes to S3's.
import { StorageError } from "../../../chunkd/client/errors.ts";
import { ProtocolError, type ProtocolErrorCode, RemoteError } from "../../../chunkd/protocol/errors.ts";
import type { MasterErrorCode } from "../../../masterd/protocol/messages.ts";
import type { Log, LogFields } from "../../../std/log.ts";
import { AuthError } from "../../auth/errors.ts";
import { S3AuthError } from "./auth/errors.ts";
import { S3Error, type S3ErrorCode, type S3Failure } from "./errors.ts";
import { PayloadError } from "./payload/errors.ts";

const MASTER: Record<MasterErrorCode, S3ErrorCode> = {
  NO_SUCH_BUCKET: "NoSuchBucket",
  BUCKET_EXISTS: "BucketAlreadyExists",
  BUCKET_NOT_EMPTY: "BucketNotEmpty",
  INVALID_BUCKET_NAME: "InvalidBucketName",
  NO_SUCH_KEY: "NoSuchKey",
  INVALID_KEY: "InvalidArgument",
  NO_SUCH_UPLOAD: "NoSuchUpload",
  INVALID_PART: "InvalidPart",
  INVALID_PART_ORDER: "InvalidPartOrder",
  PART_TOO_SMALL: "EntityTooSmall",
  PRECONDITION_FAILED: "PreconditionFailed",
  NOT_MODIFIED: "PreconditionFailed",
  // The chunk was sealed under the writer's hands (its lease ended): the client's retry writes to a fresh one.
  STALE_EXTENT: "ServiceUnavailable",
  NOT_ENOUGH_SERVERS: "ServiceUnavailable",
  LEASE_EXPIRED: "ServiceUnavailable",
  NO_SPACE: "InsufficientStorage",
  // Of the operator's calls, which no S3 operation makes.
  NO_SUCH_SERVER: "InternalError",
  SERVER_STATE: "InternalError",
  NOT_READY: "ServiceUnavailable",
  BAD_REQUEST: "InvalidArgument",
};

/** Whether the call was done is unknown after these: S3 clients repeat on 503. */
const WIRE: Partial<Record<ProtocolErrorCode, S3ErrorCode>> = {
  TIMEOUT: "ServiceUnavailable",
  DISCONNECTED: "ServiceUnavailable",
  OVERLOADED: "SlowDown",
};

const RETRY_AFTER = { "retry-after": "1" };

function s3Code(error: unknown): S3ErrorCode | undefined {
  if (error instanceof RemoteError) {
    if (Object.hasOwn(MASTER, error.code)) return MASTER[error.code as MasterErrorCode];
    return WIRE[error.code as ProtocolErrorCode];
  }
  if (error instanceof ProtocolError) return WIRE[error.code];
  return undefined;
}

/** The answer to `error`; undefined for what nobody foresaw, which is for the log and not for the client. */
export function expectedFailure(error: unknown): S3Failure | undefined {
  if (error instanceof S3Error) return error;
  if (error instanceof S3AuthError || error instanceof PayloadError) {
    return { code: error.code, status: error.status, message: error.message, fields: error.detail };
  }
  if (error instanceof StorageError) return storageFailure(error);
  // Nothing is decided by permissions that were not confirmed lately.
  if (error instanceof AuthError && error.code === "permissions_stale") {
    return new S3Error("ServiceUnavailable", error.message, { cause: error, headers: RETRY_AFTER });
  }
  const code = s3Code(error);
  if (code === undefined) return undefined;
  const unavailable = code === "ServiceUnavailable" || code === "SlowDown";
  return new S3Error(code, undefined, {
    cause: error,
    headers: unavailable ? RETRY_AFTER : undefined,
    fields: detailFields(error),
  });
}

function storageFailure(error: StorageError): S3Failure | undefined {
  // Every replica is damaged: an operator's matter, so it is logged like any internal error.
  if (error.code === "CORRUPT") return undefined;
  const code = error.code === "NO_SPACE" ? "InsufficientStorage" : "ServiceUnavailable";
  const seconds = Math.max(1, Math.ceil(error.retryAfterMs / 1000));
  return new S3Error(code, undefined, { cause: error, headers: { "retry-after": String(seconds) } });
}

/** What S3 tells about a part that is too small. */
function detailFields(error: unknown): Record<string, string> | undefined {
  if (!(error instanceof RemoteError) || error.code !== "PART_TOO_SMALL") return undefined;
  const { partNumber, size, minimum } = (error.detail ?? {}) as Record<string, unknown>;
  return { PartNumber: String(partNumber), ProposedSize: String(size), MinSizeAllowed: String(minimum) };
}

export const INTERNAL_FAILURE: S3Failure = new S3Error("InternalError");

/** What to answer. What nobody foresaw, and what the engine could not do, is logged; no cause is shown to the client. */
export function failureOf(error: unknown, log: Log, request: LogFields): S3Failure {
  const failure = expectedFailure(error);
  if (failure !== undefined && failure.status < 500) return failure;
  const cause = error instanceof S3Error || !(failure instanceof S3Error) ? error : failure.cause;
  if (failure === undefined) {
    log.error("storage request failed", {
      ...request,
      error: cause instanceof Error ? cause.stack : String(cause),
    });
    return INTERNAL_FAILURE;
  }
  if (failure.code !== "NotImplemented") {
    log.warn("storage request refused", { ...request, code: failure.code, error: (cause as Error).message });
  }
  return failure;
}
