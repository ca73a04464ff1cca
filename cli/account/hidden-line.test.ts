import { expect, test } from "bun:test";
import { EMPTY_LINE, type HiddenLine, typed } from "./hidden-line.ts";

const type = (...keys: string[]): HiddenLine => keys.reduce(typed, EMPTY_LINE);

test.each<[string[], HiddenLine]>([
  [["pass", "word", "\r"], { text: "password", state: "done" }],
  [["pasted\nrest"], { text: "pasted", state: "done" }],
  [["ab\u007fc\bd\r"], { text: "ad", state: "done" }],
  [["a\u{1F511}\u007f\r"], { text: "a", state: "done" }],
  [["\u007f\r"], { text: "", state: "done" }],
  [["wrong\u0015right\r"], { text: "right", state: "done" }],
  [["half\u0003"], { text: "half", state: "cancelled" }],
  [["\u0004"], { text: "", state: "cancelled" }],
  [["half\u0004"], { text: "half", state: "done" }],
  [["a\u001b\u0007b"], { text: "ab", state: "typing" }],
])("the keys %j make %j", (keys, line) => {
  expect(type(...keys)).toEqual(line);
});
