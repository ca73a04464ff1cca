import { expect, test } from "bun:test";
import { labelledLine, terminalLine } from "./log-lines.ts";

const LINE = '{"time":"2026-11-21T09:30:00.000Z","level":"warn","message":"slow disk","ms":1200}';

test("a JSON line gets the role's name", () => {
  expect(JSON.parse(labelledLine("edge", LINE))).toEqual({ ...JSON.parse(LINE), role: "edge" });
});

test("a role's word for itself gives way to the supervisor's", () => {
  const line = labelledLine(
    "chunkd-2",
    '{"level":"info","role":"chunkd","message":"the \\"role\\":\\"x\\""}',
  );
  expect(line).toBe('{"level":"info","role":"chunkd-2","message":"the \\"role\\":\\"x\\""}\n');
});

test("what is no JSON becomes the message of a JSON line", () => {
  for (const line of ["plain words", '{"cut":"off', "{}", "[1]"]) {
    expect(JSON.parse(labelledLine("postgres", line))).toMatchObject({ role: "postgres", message: line });
  }
});

test("on a terminal a line shows time, role, level, message and fields", () => {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: colours are taken out
  const plain = terminalLine("edge", LINE).replace(/\x1b\[\d+m/g, "");
  expect(plain).toBe("09:30:00 edge       warn  slow disk ms=1200\n");
});

test("what a stranger sent cannot steer the terminal", () => {
  const line = JSON.stringify({ level: "info", message: "\x1b[2Jgone", path: "/\x07\u009b" });
  const shown = terminalLine("edge", line);
  expect(shown).toContain("?[2Jgone");
  expect(shown).not.toContain("\x07");
  expect(shown).not.toContain("\u009b");
});
