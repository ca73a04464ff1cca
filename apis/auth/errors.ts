/** Everything that the auth service refuses with: stable codes and, for the API, their HTTP status. */
const STATUS = {
  invalid_request: 400,
  invalid_name: 400,
  invalid_password: 400,
  invalid_access_key: 400,
  invalid_token: 400, // of a password reset: wrong, used or over
  invalid_passkey: 400,
  invalid_provider: 400,
  invalid_policy: 400, // of a role; the message names the place
  invalid_scopes: 400, // of an API token or access key; the message names the scope
  unauthenticated: 401, // no token, or one that is wrong or over
  invalid_credentials: 401, // whichever of name and password was wrong
  openid_refused: 401, // whatever of the provider's answer was wrong
  csrf_required: 403,
  forbidden: 403,
  session_required: 403, // the operator's socket has no account of its own
  recent_sign_in_required: 403, // the session is too old for what would outlast it
  sign_up_closed: 403,
  not_linked: 403, // the account elsewhere stands for nobody here
  not_found: 404,
  name_taken: 409,
  key_exists: 409,
  passkey_exists: 409,
  identity_taken: 409,
  last_admin: 409,
  built_in_role: 409,
  role_in_use: 409,
  limit_reached: 409,
  user_owns_buckets: 409, // and it was not said what is to become of them
  body_too_large: 413,
  too_many_attempts: 429,
  internal: 500,
  kek_missing: 500,
  kek_invalid: 500, // the file is no key
  kek_mismatch: 500, // the file is another database's key
  provider_unavailable: 502,
  busy: 503, // a bounded queue is full
  unavailable: 503, // the database cannot be reached
  permissions_stale: 503, // what is known of permissions was not confirmed lately: nothing is decided by it
} as const;

export type AuthErrorCode = keyof typeof STATUS;
export type AuthErrorStatus = (typeof STATUS)[AuthErrorCode];

export class AuthError extends Error {
  override name = "AuthError";
  readonly status: AuthErrorStatus;
  /** Seconds after which trying again makes sense. */
  readonly retryAfterS: number | undefined;

  constructor(
    readonly code: AuthErrorCode,
    message: string,
    options: ErrorOptions & { retryAfterS?: number } = {},
  ) {
    super(message, options);
    this.status = STATUS[code];
    this.retryAfterS = options.retryAfterS;
  }
}

type Kind = "user" | "access key" | "group" | "member" | "role" | "service account" | "session" | "token";

/** Something that is missing. One wording for both "is not there" and "is not yours". */
export function notFound(kind: Kind, name: string): AuthError {
  return new AuthError("not_found", `There is no ${kind} "${name}"`);
}
