import type { Log } from "../log.ts";

/** A longer line is cut: one statement in an error message may be megabytes. */
const LINE_LENGTH_MAX = 2_000;

/** PostgreSQL's severities (lc_messages is C, so they are these words) and ours. */
const LEVELS: Record<string, "debug" | "info" | "warn" | "error"> = {
  DEBUG: "debug",
  LOG: "info",
  INFO: "info",
  NOTICE: "info",
  DETAIL: "info",
  HINT: "info",
  STATEMENT: "info",
  CONTEXT: "info",
  WARNING: "warn",
  ERROR: "warn",
  FATAL: "warn",
  PANIC: "error",
};

/** Writes one line of the server's stderr to `log`. */
function logLine(line: string, log: Log): void {
  const match = /^([A-Z]+):\s+(.*)$/.exec(line);
  const level = LEVELS[match?.[1] ?? ""];
  if (level) log[level](match?.[2] ?? "", { severity: match?.[1] ?? "" });
  else log.info(line.trim());
}

/**
 * Copies the server's stderr into `log`, line by line, until it ends.
 * Returns what the last `keep` lines were, for the message of a failed start.
 */
export async function followServerLog(
  stderr: ReadableStream<Uint8Array>,
  log: Log,
  keep = 8,
): Promise<string[]> {
  const last: string[] = [];
  const take = (line: string): void => {
    if (line.trim() === "") return;
    const cut = line.slice(0, LINE_LENGTH_MAX);
    last.push(cut);
    if (last.length > keep) last.shift();
    logLine(cut, log);
  };
  const decoder = new TextDecoder();
  let pending = "";
  for await (const bytes of stderr) {
    const lines = (pending + decoder.decode(bytes, { stream: true })).split("\n");
    pending = (lines.pop() ?? "").slice(0, LINE_LENGTH_MAX);
    for (const line of lines) take(line);
  }
  take(pending);
  return last;
}
