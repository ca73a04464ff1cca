export type LogLevel = "debug" | "info" | "warn" | "error";

/** Structured fields of one log line. Secrets never go in here. */
export type LogFields = Record<string, string | number | boolean | null | undefined>;

export interface Log {
  debug(message: string, fields?: LogFields): void;
  info(message: string, fields?: LogFields): void;
  warn(message: string, fields?: LogFields): void;
  error(message: string, fields?: LogFields): void;
  /** A log whose lines carry `fields` too. */
  with(fields: LogFields): Log;
}

const RANK: Record<LogLevel, number> = { debug: 0, info: 1, warn: 2, error: 3 };

/**
 * Writes one JSON object a line: `{"time":ISO,"level":...,"message":...,...fields}`.
 * The supervisor makes them pretty on a terminal, so that roles have one format.
 */
export function jsonLog(
  write: (line: string) => void,
  levelMin: LogLevel = "info",
  fields: LogFields = {},
  now: () => number = Date.now,
): Log {
  const emit = (level: LogLevel, message: string, more?: LogFields): void => {
    if (RANK[level] < RANK[levelMin]) return;
    write(`${JSON.stringify({ time: new Date(now()).toISOString(), level, message, ...fields, ...more })}\n`);
  };
  return {
    debug: (message, more) => emit("debug", message, more),
    info: (message, more) => emit("info", message, more),
    warn: (message, more) => emit("warn", message, more),
    error: (message, more) => emit("error", message, more),
    with: (more) => jsonLog(write, levelMin, { ...fields, ...more }, now),
  };
}

export const silentLog: Log = jsonLog(() => {}, "error");
