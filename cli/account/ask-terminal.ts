// Asks whoever sits at the terminal, or takes what was piped in.
import { CommandError } from "../command.ts";
import { EMPTY_LINE, typed } from "./hidden-line.ts";

/** Longer than any name or password that is taken. */
const LINE_BYTES_MAX = 8 << 10;

export function isTerminal(): boolean {
  return process.stdin.isTTY === true;
}

/** The password: typed without being shown, or the first line of standard input. Throws {@link CommandError}. */
export async function askPassword(question: string): Promise<string> {
  return isTerminal() ? hiddenLine(question) : firstLine();
}

async function firstLine(): Promise<string> {
  let text = "";
  for await (const chunk of process.stdin.setEncoding("utf8")) {
    text += chunk;
    if (text.includes("\n") || text.length > LINE_BYTES_MAX) break;
  }
  const line = text.split(/\r?\n/, 1)[0]!;
  if (line === "") throw new CommandError("there is no password on standard input");
  return line;
}

function hiddenLine(question: string): Promise<string> {
  const { stdin, stderr } = process;
  // First: what is typed the moment the question appears must not be shown either.
  stdin.setRawMode(true);
  stdin.setEncoding("utf8");
  stderr.write(question);
  stdin.resume();
  return new Promise((resolve, reject) => {
    let line = EMPTY_LINE;
    const onKeys = (keys: string) => {
      line = typed(line, keys);
      if (line.state === "typing" && line.text.length <= LINE_BYTES_MAX) return;
      stdin.off("data", onKeys);
      stdin.setRawMode(false);
      stdin.pause();
      stderr.write("\n");
      if (line.state === "done") resolve(line.text);
      else reject(new CommandError("nothing was typed"));
    };
    stdin.on("data", onKeys);
  });
}
