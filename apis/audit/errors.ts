/** Everything that the audit log refuses with: stable codes and their HTTP status. */
const STATUS = {
  invalid_request: 400,
  unauthenticated: 401,
  forbidden: 403,
  not_found: 404,
  internal: 500,
  audit_damaged: 500, // the chain is not what it must be: see verify
  busy: 503, // a bounded number of exports or checks run
  unavailable: 503, // who asks, and what they may, cannot be told now
  audit_unavailable: 503, // what must be recorded cannot be: the queue is full, or the database is away
} as const;

export type AuditErrorCode = keyof typeof STATUS;

export class AuditError extends Error {
  override name = "AuditError";
  readonly status: (typeof STATUS)[AuditErrorCode];

  constructor(
    readonly code: AuditErrorCode,
    message: string,
    options: ErrorOptions = {},
  ) {
    super(message, options);
    this.status = STATUS[code];
  }
}

export function unavailable(why: string, cause?: unknown): AuditError {
  return new AuditError("audit_unavailable", `${why}; try again shortly`, { cause });
}
