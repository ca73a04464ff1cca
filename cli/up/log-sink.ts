import type { Output } from "../command.ts";
import { labelledLine, terminalLine } from "../supervisor/log-lines.ts";
import { RotatingFile } from "../supervisor/rotating-file.ts";

/** Where the log lines of all roles go. */
export interface LogSink {
  line(role: string, line: string): void;
  /** The start is over, and with it the progress that a person watches. */
  started(): void;
  close(): void;
}

/** To standard error: JSON, or on a terminal readable, and during the start only what is wrong. */
export function streamSink(output: Output): LogSink {
  const format = output.terminal ? terminalLine : labelledLine;
  let starting = output.terminal;
  return {
    line(role, line) {
      if (!starting || /"level":"(?:warn|error)"/.test(line)) output.err(format(role, line));
    },
    started() {
      starting = false;
    },
    close() {},
  };
}

/** To a file of bounded size, as JSON. */
export function fileSink(path: string): LogSink {
  const file = new RotatingFile(path);
  return {
    line: (role, line) => file.write(labelledLine(role, line)),
    started() {},
    close: () => file.close(),
  };
}
