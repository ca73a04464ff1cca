// A line that somebody types without it being shown.

/** What the keys typed so far make. */
export interface HiddenLine {
  text: string;
  state: "typing" | "done" | "cancelled";
}

export const EMPTY_LINE: HiddenLine = { text: "", state: "typing" };

const CTRL_C = "\u0003";
const CTRL_D = "\u0004";
const CTRL_U = "\u0015";
const ERASING = new Set(["\u007f", "\b"]);

/** The line after `keys`, as a terminal in raw mode sends them. */
export function typed(line: HiddenLine, keys: string): HiddenLine {
  let { text, state } = line;
  for (const key of keys) {
    if (state !== "typing") break;
    if (key === "\r" || key === "\n") state = "done";
    else if (key === CTRL_C) state = "cancelled";
    else if (key === CTRL_D) state = text === "" ? "cancelled" : "done";
    else if (key === CTRL_U) text = "";
    else if (ERASING.has(key)) text = [...text].slice(0, -1).join("");
    else if (key >= " ") text += key;
  }
  return { text, state };
}
