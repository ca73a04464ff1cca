import { S3AuthError } from "./errors.ts";

export interface QueryParameter {
  readonly name: string;
  /** "" for both `?name` and `?name=`, which S3 and SigV4 do not tell apart. */
  readonly value: string;
}

/** The decoded query, in the order of the request. A repeated name stays visible; {@link get} takes the first. */
export class Query {
  constructor(readonly parameters: readonly QueryParameter[]) {}

  get(name: string): string | undefined {
    return this.parameters.find((parameter) => parameter.name === name)?.value;
  }

  all(name: string): string[] {
    return this.parameters.filter((parameter) => parameter.name === name).map(({ value }) => value);
  }

  has(name: string): boolean {
    return this.parameters.some((parameter) => parameter.name === name);
  }

  /** Each name once. */
  names(): string[] {
    return [...new Set(this.parameters.map(({ name }) => name))];
  }

  /** The names that were given more than once. */
  duplicates(): string[] {
    return this.names().filter((name) => this.all(name).length > 1);
  }
}

const EMPTY = new Query([]);

/**
 * Parses what follows the `?`. `+` means a space here, as HTML forms and Java's servlets (so S3 itself) read it, while
 * in a path it means itself. Throws `InvalidURI` on wrong percent-encoding, invalid UTF-8 and NUL.
 */
export function parseQuery(rawQuery: string): Query {
  if (rawQuery === "") return EMPTY;
  const parameters: QueryParameter[] = [];
  for (const part of rawQuery.split("&")) {
    if (part === "") continue;
    const equals = part.indexOf("=");
    const name = equals < 0 ? part : part.slice(0, equals);
    const value = equals < 0 ? "" : part.slice(equals + 1);
    parameters.push({ name: decodeParameter(name), value: decodeParameter(value) });
  }
  return new Query(parameters);
}

function decodeParameter(text: string): string {
  return decodePercent(text.includes("+") ? text.replaceAll("+", " ") : text);
}

/** Decodes percent-encoding once. Throws `InvalidURI` on wrong percent-encoding, invalid UTF-8 and NUL. */
export function decodePercent(text: string): string {
  if (!text.includes("%")) return text;
  let decoded: string;
  try {
    decoded = decodeURIComponent(text);
  } catch (error) {
    if (!(error instanceof URIError)) throw error;
    throw new S3AuthError(
      "InvalidURI",
      "Couldn't parse the specified URI: it must be percent-encoded UTF-8.",
    );
  }
  // PostgreSQL text, C strings and XML 1.0 cannot hold U+0000.
  if (decoded.includes("\0"))
    throw new S3AuthError("InvalidURI", "The URI must not contain a NUL character.");
  return decoded;
}
