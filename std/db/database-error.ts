import type { Sql } from "postgres";

/** Why a database cannot be used; stable. */
export type DatabaseErrorCode =
  | "database_unreachable" // nobody answers there
  | "database_missing" // the server answers, the database is not there
  | "database_refused" // wrong user or password, or a right is missing
  | "database_read_only"; // a standby, or a server that is set to take no writes

/** A database cannot be used; its message says which one, what to do and the code, without the password. */
export class DatabaseError extends Error {
  override name = "DatabaseError";
  constructor(
    readonly code: DatabaseErrorCode,
    message: string,
    options?: ErrorOptions,
  ) {
    super(message, options);
  }
}

/** SQLSTATEs, from PostgreSQL's appendix A. */
const MISSING = ["3D000"];
const REFUSED = ["28000", "28P01", "42501"];
export const READ_ONLY = "25006";

/**
 * The {@link DatabaseError} for what the driver threw about the database at `url`, or `error` itself where it is about something
 * else. `code`: of the error; `unreachable`: that nobody answered.
 */
export function explainDatabaseError(
  error: unknown,
  url: URL,
  { code, unreachable }: { code: string | undefined; unreachable: boolean },
): unknown {
  const name = decodeURIComponent(url.pathname.slice(1));
  const where = `the database "${name}" at ${url.host}`;
  const because = error instanceof Error ? error.message : String(error);
  const explained = (kind: DatabaseErrorCode, message: string) =>
    new DatabaseError(kind, `${message} (${kind}: ${because})`, { cause: error });
  if (unreachable) {
    return explained("database_unreachable", `Cannot reach ${where}: start that server, or correct the URL`);
  }
  if (code === READ_ONLY) {
    return explained("database_read_only", `Cannot write to ${where}: give the URL of the primary`);
  }
  if (MISSING.includes(code ?? "")) {
    return explained("database_missing", `There is no ${where.slice(4)}: create it, or correct the URL`);
  }
  if (REFUSED.includes(code ?? "")) {
    return explained(
      "database_refused",
      `May not use ${where} as "${url.username}": correct user and password, or let that user do it`,
    );
  }
  return error;
}

/** The {@link DatabaseError} for `error` where it says that the pool's database takes no writes, or `error` itself. */
export function explainReadOnly(error: unknown, { options: { host, database } }: Sql): unknown {
  if (!(error instanceof Error && "code" in error && error.code === READ_ONLY)) return error;
  return new DatabaseError(
    "database_read_only",
    `Cannot write to the database "${database}" at ${host.join(", ")}: give the URL of the primary (database_read_only: ${error.message})`,
    { cause: error },
  );
}
