// Why a request was not let in, in the words of S3 ("Error responses" in the S3 API reference). Clients act on the
// code: an SDK corrects its clock on RequestTimeTooSkewed and its region on AuthorizationHeaderMalformed.

const STATUS = {
  AccessDenied: 403,
  AuthorizationHeaderMalformed: 400,
  AuthorizationQueryParametersError: 400,
  InvalidAccessKeyId: 403,
  InvalidArgument: 400,
  InvalidRequest: 400,
  InvalidToken: 400,
  InvalidURI: 400,
  NotImplemented: 501,
  RequestTimeTooSkewed: 403,
  SignatureDoesNotMatch: 403,
} as const;

export type S3AuthErrorCode = keyof typeof STATUS;

/** A request that could not be parsed or proved. `detail` holds further elements of the XML error; never a secret. */
export class S3AuthError extends Error {
  override name = "S3AuthError";
  /** The HTTP status of the response. */
  readonly status: number;

  constructor(
    readonly code: S3AuthErrorCode,
    message: string,
    readonly detail: Readonly<Record<string, string>> = {},
  ) {
    super(message);
    this.status = STATUS[code];
  }
}

/** `detail` shows both sides' reckoning; never a secret. */
export function signatureDoesNotMatch(detail: Readonly<Record<string, string>>): S3AuthError {
  const message =
    "The request signature we calculated does not match the signature you provided. Check your key and signing method.";
  return new S3AuthError("SignatureDoesNotMatch", message, detail);
}
