import type { S3Handler, S3Request, S3Response } from "../../apis/storage/s3/http.ts";
import type { Clock } from "../../std/clock.ts";
import type { AccessLog, AccessRecord } from "./access-log.ts";

/** `handler`, with X-Request-Id in each answer and a line in the access log. Where all are logged, a stream's line is written at its end. */
export function loggedS3(
  handler: S3Handler,
  listener: AccessRecord["listener"],
  log: AccessLog,
  clock: Clock,
): S3Handler {
  return async (request) => {
    const start = clock.monotonic();
    const response = await handler(request);
    response.headers["x-request-id"] = request.requestId;
    const add = (bytes?: number): void =>
      log.add(recordOf(request, response, listener, clock.monotonic() - start, bytes));
    const { body } = response;
    const isStream = body !== null && typeof body !== "string" && !(body instanceof Uint8Array);
    if (!isStream) add(body?.length ?? 0);
    else if (log.complete) response.body = counted(body, add);
    else add();
    return response;
  };
}

function recordOf(
  request: S3Request,
  response: S3Response,
  listener: AccessRecord["listener"],
  ms: number,
  bytes: number | undefined,
): AccessRecord {
  const { method, target, headers, requestId, remoteAddress } = request;
  const host = headers.get("host") ?? "";
  return {
    listener,
    method,
    host,
    target,
    status: response.status,
    bytes,
    ms,
    requestId,
    remote: remoteAddress,
  };
}

/** `source`, with a call of `onEnd` when it ends, fails, or is given up. */
async function* counted(
  source: AsyncIterable<Uint8Array>,
  onEnd: (bytes: number) => void,
): AsyncGenerator<Uint8Array> {
  let bytes = 0;
  try {
    for await (const piece of source) {
      bytes += piece.length;
      yield piece;
    }
  } finally {
    onEnd(bytes);
  }
}
