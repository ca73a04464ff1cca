/** Why the embedded PostgreSQL cannot run; the message says what to do about it. */
export type EmbeddedPostgresErrorCode =
  | "binaries_missing" // neither the npm package nor Debian's PostgreSQL is installed
  | "no_identity" // root, and no way to become an unprivileged user
  | "already_running" // another living launcher owns the directory
  | "password_missing" // the data is there, its password file is not
  | "version_mismatch" // the data was made by another major version
  | "no_port" // no free port on 127.0.0.1
  | "initdb_failed"
  | "start_failed";

export class EmbeddedPostgresError extends Error {
  override name = "EmbeddedPostgresError";
  constructor(
    readonly code: EmbeddedPostgresErrorCode,
    message: string,
    options?: ErrorOptions,
  ) {
    super(message, options);
  }
}
