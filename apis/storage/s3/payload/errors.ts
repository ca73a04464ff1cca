// What can be wrong with a request body, in the words of S3 ("Error responses" in the S3 API reference).

const STATUS = {
  BadDigest: 400,
  EntityTooLarge: 400,
  IncompleteBody: 400,
  InvalidArgument: 400,
  InvalidChunkSizeError: 403,
  InvalidDigest: 400,
  InvalidRequest: 400,
  MalformedTrailerError: 400,
  MissingContentLength: 411,
  SignatureDoesNotMatch: 403,
  XAmzContentSHA256Mismatch: 400,
} as const;

export type PayloadErrorCode = keyof typeof STATUS;

/** A body that must not be stored. `detail` holds further elements of the XML error. */
export class PayloadError extends Error {
  override name = "PayloadError";
  /** The HTTP status of the response. */
  readonly status: number;

  constructor(
    readonly code: PayloadErrorCode,
    message: string,
    readonly detail: Readonly<Record<string, string>> = {},
    options?: ErrorOptions,
  ) {
    super(message, options);
    this.status = STATUS[code];
  }
}
